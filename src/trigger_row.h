/*
 * trigger_row.h
 *		The row that a trigger was called for, its columns by name.
 */
#ifndef FALUKEYS_TRIGGER_ROW_H
#define FALUKEYS_TRIGGER_ROW_H

#include "postgres.h"

#include "access/htup.h"
#include "commands/trigger.h"
#include "fmgr.h"

/* New values may be changed, until trigger_row_result. */
typedef struct TriggerRow
{
	TriggerData *trigger;
	TupleDesc	descriptor;
	Datum	   *old_values;		/* NULL for an INSERT */
	bool	   *old_nulls;
	Datum	   *values;			/* NULL for a DELETE */
	bool	   *nulls;
	bool	   *changed;
	bool		changes;		/* any of them */
} TriggerRow;

extern void trigger_row_begin(FunctionCallInfo fcinfo, TriggerRow *row);
extern bool trigger_row_is_insert(const TriggerRow *row);
extern bool trigger_row_is_update(const TriggerRow *row);
extern bool trigger_row_is_delete(const TriggerRow *row);

extern Datum trigger_row_value(TriggerRow *row, const char *column, bool *null);
extern Datum trigger_row_old_value(TriggerRow *row, const char *column, bool *null);
extern bool trigger_row_is_null(TriggerRow *row, const char *column);
extern bool trigger_row_was_null(TriggerRow *row, const char *column);
extern bool trigger_row_differs(TriggerRow *row, const char *column);
extern void trigger_row_set(TriggerRow *row, const char *column, Datum value);
extern void trigger_row_set_null(TriggerRow *row, const char *column);

/* Is the row new?  A restored one has its id already. */
extern bool trigger_row_is_new(TriggerRow *row);

/*
 * Masks the keys in a text that is to be stored.  A new text may have at most
 * so many characters.
 */
extern void trigger_row_redact(TriggerRow *row, const char *column, int limit);

/* What the trigger returns */
extern Datum trigger_row_result(TriggerRow *row);

/* A NULL pointer for a NULL */
extern text *trigger_row_text(TriggerRow *row, const char *column);
extern text *trigger_row_old_text(TriggerRow *row, const char *column);
extern bool trigger_row_boolean(TriggerRow *row, const char *column);

#endif							/* FALUKEYS_TRIGGER_ROW_H */
