/*
 * triggers.h
 *		Notices where the triggers of our tables are not as they should be.
 */
#ifndef FALUKEYS_TRIGGERS_H
#define FALUKEYS_TRIGGERS_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* Warns of each trigger that is switched off, once in a session until that changes. */
extern void triggers_check(void);

/* For each trigger that is switched off, or not there at all, what to do, as a string */
extern List *triggers_hints(void);

#endif							/* FALUKEYS_TRIGGERS_H */
