/*
 * result.c
 *		The row that a function returns.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/lsyscache.h"

#include "result.h"

/* The row type as it is, which may have more attributes than we have columns */
typedef struct ResultRow
{
	TupleDesc	descriptor;
	int			attributes[RESULT_MAX_COLUMNS]; /* where each column stands */
	Datum	   *values;
	bool	   *nulls;
} ResultRow;

static bool
fits(Oid type, Oid expected)
{
	return expected == RESULT_ENUM ? type_is_enum(type) : type == expected;
}

/* In the order of the type, without dropped ones */
static void
find_columns(ResultRow *row, const ResultColumns *columns)
{
	int			found = 0;

	for (int i = 0; i < row->descriptor->natts && found < columns->count; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(row->descriptor, i);

		if (attribute->attisdropped)
			continue;
		if (!fits(attribute->atttypid, columns->types[found]))
			break;
		row->attributes[found++] = i;
	}
	if (found < columns->count)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the row type of a falukeys function has been changed"),
				 errdetail("Column %d is missing, or of another type.", found + 1),
				 errhint("Attributes may be added to it, but not altered or dropped.")));
}

/*
 * What a query in FROM was planned for, or NULL.  The type may have gained an
 * attribute since, for which this query would fail.
 */
static TupleDesc
expected_descriptor(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	TupleDesc	descriptor;

	if (info == NULL || !IsA(info, ReturnSetInfo) || info->expectedDesc == NULL)
		return NULL;
	descriptor = CreateTupleDescCopy(info->expectedDesc);
	descriptor->tdtypeid = RECORDOID;
	descriptor->tdtypmod = -1;
	return descriptor;
}

/* Looked up once for each place in a query that calls it */
static ResultRow *
row_of(FunctionCallInfo fcinfo, const ResultColumns *columns)
{
	FmgrInfo   *function = fcinfo->flinfo;

	if (function->fn_extra == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(function->fn_mcxt);
		ResultRow  *row = palloc0(sizeof(ResultRow));
		TupleDesc	descriptor;

		descriptor = expected_descriptor(fcinfo);
		if (descriptor == NULL && get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		row->descriptor = BlessTupleDesc(descriptor);
		find_columns(row, columns);
		row->values = palloc0(descriptor->natts * sizeof(Datum));
		row->nulls = palloc(descriptor->natts * sizeof(bool));
		memset(row->nulls, true, descriptor->natts * sizeof(bool));
		function->fn_extra = row;
		MemoryContextSwitchTo(caller);
	}
	return function->fn_extra;
}

void
result_prepare(FunctionCallInfo fcinfo, const ResultColumns *columns)
{
	(void) row_of(fcinfo, columns);
}

Datum
result_row(FunctionCallInfo fcinfo, const ResultColumns *columns,
		   Datum *values, bool *nulls)
{
	ResultRow  *row = row_of(fcinfo, columns);

	if (row->descriptor->natts == columns->count)
		return HeapTupleGetDatum(heap_form_tuple(row->descriptor, values, nulls));
	for (int i = 0; i < columns->count; i++)
	{
		row->values[row->attributes[i]] = values[i];
		row->nulls[row->attributes[i]] = nulls[i];
	}
	return HeapTupleGetDatum(heap_form_tuple(row->descriptor, row->values, row->nulls));
}
