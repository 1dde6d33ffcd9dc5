/*
 * trigger_row.c
 *		The row that a trigger was called for, its columns by name.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "apikey.h"
#include "argument.h"
#include "trigger_row.h"

static void
deform(HeapTuple tuple, TupleDesc descriptor, Datum **values, bool **nulls)
{
	*values = palloc(descriptor->natts * sizeof(Datum));
	*nulls = palloc(descriptor->natts * sizeof(bool));
	heap_deform_tuple(tuple, descriptor, *values, *nulls);
}

void
trigger_row_begin(FunctionCallInfo fcinfo, TriggerRow *row)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function can only be called as a trigger")));

	memset(row, 0, sizeof(TriggerRow));
	row->trigger = (TriggerData *) fcinfo->context;
	row->descriptor = RelationGetDescr(row->trigger->tg_relation);
	if (trigger_row_is_insert(row))
		deform(row->trigger->tg_trigtuple, row->descriptor, &row->values, &row->nulls);
	else
		deform(row->trigger->tg_trigtuple, row->descriptor, &row->old_values, &row->old_nulls);
	if (trigger_row_is_update(row))
		deform(row->trigger->tg_newtuple, row->descriptor, &row->values, &row->nulls);
	row->changed = palloc0(row->descriptor->natts * sizeof(bool));
}

bool
trigger_row_is_insert(const TriggerRow *row)
{
	return TRIGGER_FIRED_BY_INSERT(row->trigger->tg_event);
}

bool
trigger_row_is_update(const TriggerRow *row)
{
	return TRIGGER_FIRED_BY_UPDATE(row->trigger->tg_event);
}

bool
trigger_row_is_delete(const TriggerRow *row)
{
	return TRIGGER_FIRED_BY_DELETE(row->trigger->tg_event);
}

static int
column_index(const TriggerRow *row, const char *column)
{
	int			number = SPI_fnumber(row->descriptor, column);

	if (number <= 0)
		elog(ERROR, "relation \"%s\" has no column \"%s\"",
			 RelationGetRelationName(row->trigger->tg_relation), column);
	return number - 1;
}

Datum
trigger_row_value(TriggerRow *row, const char *column, bool *null)
{
	int			i = column_index(row, column);

	*null = row->nulls[i];
	return row->values[i];
}

Datum
trigger_row_old_value(TriggerRow *row, const char *column, bool *null)
{
	int			i = column_index(row, column);

	*null = row->old_nulls[i];
	return row->old_values[i];
}

bool
trigger_row_is_null(TriggerRow *row, const char *column)
{
	return row->nulls[column_index(row, column)];
}

bool
trigger_row_was_null(TriggerRow *row, const char *column)
{
	return row->old_nulls[column_index(row, column)];
}

bool
trigger_row_differs(TriggerRow *row, const char *column)
{
	int			i = column_index(row, column);
	Form_pg_attribute attribute = TupleDescAttr(row->descriptor, i);

	if (row->nulls[i] || row->old_nulls[i])
		return row->nulls[i] != row->old_nulls[i];
	return !datum_image_eq(row->values[i], row->old_values[i],
						   attribute->attbyval, attribute->attlen);
}

void
trigger_row_set(TriggerRow *row, const char *column, Datum value)
{
	int			i = column_index(row, column);

	row->values[i] = value;
	row->nulls[i] = false;
	row->changed[i] = true;
	row->changes = true;
}

void
trigger_row_set_null(TriggerRow *row, const char *column)
{
	int			i = column_index(row, column);

	row->nulls[i] = true;
	row->changed[i] = true;
	row->changes = true;
}

bool
trigger_row_is_new(TriggerRow *row)
{
	return trigger_row_is_insert(row) && SPI_fnumber(row->descriptor, "id") > 0 &&
		trigger_row_is_null(row, "id");
}

void
trigger_row_redact(TriggerRow *row, const char *column, int limit)
{
	text	   *value;

	if (trigger_row_is_null(row, column) || (trigger_row_is_update(row) && !trigger_row_differs(row, column)))
		return;
	value = trigger_row_text(row, column);
	if (trigger_row_is_update(row) || trigger_row_is_new(row))
		argument_check_length(column, value, limit);
	trigger_row_set(row, column, PointerGetDatum(apikey_redact_text(value)));
}

Datum
trigger_row_result(TriggerRow *row)
{
	HeapTuple	tuple = trigger_row_is_update(row) ? row->trigger->tg_newtuple :
		row->trigger->tg_trigtuple;

	if (row->changes)
		tuple = heap_modify_tuple(tuple, row->descriptor, row->values, row->nulls, row->changed);
	return PointerGetDatum(tuple);
}

text *
trigger_row_text(TriggerRow *row, const char *column)
{
	bool		null;
	Datum		value = trigger_row_value(row, column, &null);

	return null ? NULL : DatumGetTextPP(value);
}

text *
trigger_row_old_text(TriggerRow *row, const char *column)
{
	bool		null;
	Datum		value = trigger_row_old_value(row, column, &null);

	return null ? NULL : DatumGetTextPP(value);
}

bool
trigger_row_boolean(TriggerRow *row, const char *column)
{
	bool		null;
	Datum		value = trigger_row_value(row, column, &null);

	return !null && DatumGetBool(value);
}
