/*
 * guards.h
 *		What the trigger rooms share, and what our own functions may do that
 *		direct DML may not.
 */
#ifndef FALUKEYS_GUARDS_H
#define FALUKEYS_GUARDS_H

#include "postgres.h"

#include "compat.h"
#include "spi_owner.h"
#include "trigger_row.h"

typedef enum GuardPass
{
	GUARD_PASS_NONE,
	GUARD_PASS_ROLL,			/* exchange the secret of a key, and retire or end the old ones */
	GUARD_PASS_PURGE,			/* delete temporary keys that ended, and retire their secrets */
	GUARD_PASS_MERGE,			/* delete mode settings that were replaced */
	GUARD_PASS_TAKE_OVER,		/* manage keys where they have arrived */
	GUARD_PASS_RECORD			/* change what the caller records itself */
} GuardPass;

/* How long a replaced secret may stay good */
#define GUARDS_MAX_GRACE_DAYS	30

/* Runs one statement with a pass, within a spi_owner_begin. */
extern uint64 guards_run_with_pass(GuardPass pass, const char *sql, int count,
								   const Parameter *parameters);
extern bool guards_has_pass(GuardPass pass);

#define GUARDS_RUN_WITH_PASS(pass, sql, ...) \
	guards_run_with_pass(pass, sql, lengthof(((const Parameter[]) {__VA_ARGS__})), \
						 (const Parameter[]) {__VA_ARGS__})

/* 55000, with a message and a hint */
#define GUARDS_REFUSE(message, hint) \
	ereport(ERROR, \
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), \
			 errmsg(message), \
			 errhint(hint)))

extern void guards_require_unchanged(TriggerRow *row, int count, const char *const *columns);

/*
 * Remembers rows whose ids were generated here, so that an AFTER trigger can
 * tell them from restored ones.
 */
extern void guards_remember_new(const text *id);
extern bool guards_take_new(const text *id);

/* The limits of what callers store hold for a meta that is new. */
extern void guards_check_meta(TriggerRow *row);

/* Fills in who and when, where the row does not say. */
extern void guards_fill_creation(TriggerRow *row);

#endif							/* FALUKEYS_GUARDS_H */
