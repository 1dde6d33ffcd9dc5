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

/* The names that all this had, until nothing uses them any more */
#define row_begin	trigger_row_begin
#define row_is_insert	trigger_row_is_insert
#define row_is_update	trigger_row_is_update
#define row_is_delete	trigger_row_is_delete
#define row_value	trigger_row_value
#define row_old_value	trigger_row_old_value
#define row_is_null	trigger_row_is_null
#define row_was_null	trigger_row_was_null
#define row_differs	trigger_row_differs
#define row_set	trigger_row_set
#define row_set_null	trigger_row_set_null
#define row_is_new	trigger_row_is_new
#define row_redact	trigger_row_redact
#define row_result	trigger_row_result
#define row_text	trigger_row_text
#define row_old_text	trigger_row_old_text
#define row_boolean	trigger_row_boolean

#endif							/* FALUKEYS_TRIGGER_ROW_H */
