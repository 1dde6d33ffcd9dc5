/*
 * triggers.h
 *		Notices where the triggers of our tables are not as they should be.
 */
#ifndef FALUKEYS_TRIGGERS_H
#define FALUKEYS_TRIGGERS_H

#include "postgres.h"

/* A WARNING for each trigger that is switched off, once a session and state. */
extern void triggers_check(void);

#endif							/* FALUKEYS_TRIGGERS_H */
