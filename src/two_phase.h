/*
 * two_phase.h
 *		What keeps a transaction from being prepared for two-phase commit.
 */
#ifndef FALUKEYS_TWO_PHASE_H
#define FALUKEYS_TWO_PHASE_H

#include "postgres.h"

/* The transaction holds rows for a session that a stop by the platform may end. */
extern void two_phase_note_holding(void);

/* Its commit is to notify of an event. */
extern void two_phase_note_announced(void);

#endif							/* FALUKEYS_TWO_PHASE_H */
