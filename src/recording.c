/*
 * recording.c
 *		What the triggers of the tables record, whoever changed them.
 *
 * Functions of ours and direct DML leave the same events by it.  What a function
 * records itself, with more detail, it does with a pass: see guards.h.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "events.h"
#include "recording.h"

/* A text as it is now, where it is another one; empty where it was taken away */
static const char *
changed_text(TriggerRow *row, const char *column)
{
	text	   *value = trigger_row_text(row, column);

	if (!trigger_row_differs(row, column))
		return NULL;
	return value == NULL ? "" : text_to_cstring(value);
}

/* A meta may be long, and is the application's own: only that it changed */
static const char *
changed_meta(TriggerRow *row)
{
	return trigger_row_differs(row, "meta") ? "changed" : NULL;
}

void
recording_workspace(TriggerRow *row)
{
	if (!trigger_row_differs(row, "name") && !trigger_row_differs(row, "meta"))
		return;
	EVENTS_RECORD("workspace.described", trigger_row_text(row, "id"), NULL,
				  {"name", changed_text(row, "name")},
				  {"name_was", trigger_row_differs(row, "name") ? text_to_cstring(trigger_row_old_text(row, "name")) : NULL},
				  {"meta", changed_meta(row)});
}
