/*
 * background.h
 *		What the background processes have in common.
 */
#ifndef FALUKEYS_BACKGROUND_H
#define FALUKEYS_BACKGROUND_H

#include "postgres.h"

/* A process ends on SIGTERM by ShutdownRequestPending, and on SIGHUP reads the settings. */
extern void background_set_up_signals(void);

/* Sleeps; returns whether someone woke it. */
extern bool background_wait(long milliseconds);

#endif							/* FALUKEYS_BACKGROUND_H */
