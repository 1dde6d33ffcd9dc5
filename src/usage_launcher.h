/*
 * usage_launcher.h
 *		Starts the workers that move what was counted in memory to key_usage.
 */
#ifndef FALUKEYS_USAGE_LAUNCHER_H
#define FALUKEYS_USAGE_LAUNCHER_H

#include "postgres.h"

/* Asks for memory and for the launcher, while the library is being preloaded. */
extern void usage_launcher_request(void);

#endif							/* FALUKEYS_USAGE_LAUNCHER_H */
