/*
 * mode_settings.h
 *		In what the two modes differ.
 */
#ifndef FALUKEYS_MODE_SETTINGS_H
#define FALUKEYS_MODE_SETTINGS_H

#include "postgres.h"

/* The row of mode_settings for a mode; 0 if there is none */
extern Datum mode_settings_of(Oid mode);

#endif							/* FALUKEYS_MODE_SETTINGS_H */
