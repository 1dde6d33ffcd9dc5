/*
 * row.h
 *		The row that a trigger was called for, its columns by name.
 */
#ifndef FALUKEYS_ROW_H
#define FALUKEYS_ROW_H

#include "postgres.h"

#include "access/htup.h"
#include "commands/trigger.h"
#include "fmgr.h"

/* New values may be changed, until row_result. */
typedef struct TriggerRow
{
	TriggerData *trigger;
	TupleDesc	descriptor;
	Datum	   *old_values;		/* NULL for an INSERT */
	bool	   *old_nulls;
	Datum	   *values;			/* NULL for a DELETE */
	bool	   *nulls;
	bool		changed;
} TriggerRow;

extern void row_begin(FunctionCallInfo fcinfo, TriggerRow *row);
extern bool row_is_insert(const TriggerRow *row);
extern bool row_is_update(const TriggerRow *row);
extern bool row_is_delete(const TriggerRow *row);

extern Datum row_value(TriggerRow *row, const char *column, bool *null);
extern Datum row_old_value(TriggerRow *row, const char *column, bool *null);
extern bool row_is_null(TriggerRow *row, const char *column);
extern bool row_was_null(TriggerRow *row, const char *column);
extern bool row_differs(TriggerRow *row, const char *column);
extern void row_set(TriggerRow *row, const char *column, Datum value);
extern void row_set_null(TriggerRow *row, const char *column);

/* Is it a row that has not been stored before?  A restored one has its id. */
extern bool row_is_new(TriggerRow *row);

/*
 * Texts that are going to be stored carry no key, and those that were not stored
 * before are at most so many characters long.
 */
extern void row_redact(TriggerRow *row, const char *column, int limit);

/* What a BEFORE trigger, and an AFTER trigger, return */
extern Datum row_result(TriggerRow *row);

/* A NULL pointer for a NULL */
extern text *row_text(TriggerRow *row, const char *column);
extern text *row_old_text(TriggerRow *row, const char *column);
extern bool row_boolean(TriggerRow *row, const char *column);
extern bool row_old_boolean(TriggerRow *row, const char *column);

#endif							/* FALUKEYS_ROW_H */
