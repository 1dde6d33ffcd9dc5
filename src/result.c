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
#include "utils/typcache.h"

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

/* In the order of the type, without dropped ones; how many there are */
static int
find_columns(TupleDesc descriptor, const ResultColumns *columns, int *attributes)
{
	int			found = 0;

	for (int i = 0; i < descriptor->natts && found < columns->count; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (attribute->attisdropped)
			continue;
		if (!fits(attribute->atttypid, columns->types[found]))
			break;
		attributes[found++] = i;
	}
	return found;
}

static void
require_columns(ResultRow *row, const ResultColumns *columns)
{
	int			found = find_columns(row->descriptor, columns, row->attributes);

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

/* Looks whether a type has our columns and no others, and notes that it has. */
static void
get_to_know(Oid type, ResultColumns *columns)
{
	TupleDesc	descriptor = lookup_rowtype_tupdesc_copy(type, -1);
	uint64		identifier = lookup_type_cache(type, 0)->tupDesc_identifier;
	int			attributes[RESULT_MAX_COLUMNS];

	if (descriptor->natts == columns->count &&
		find_columns(descriptor, columns, attributes) == columns->count)
		columns->known = identifier;
	FreeTupleDesc(descriptor);
}

/*
 * The server's own descriptor of a type that has our columns and no others;
 * NULL for any other, and where a query in FROM expects another.  It holds until
 * the next look at the catalogs.
 */
static TupleDesc
known_descriptor(FunctionCallInfo fcinfo, ResultColumns *columns)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			type = get_fn_expr_rettype(fcinfo->flinfo);
	TypeCacheEntry *entry;

	if (!OidIsValid(type) || type == RECORDOID)
		return NULL;
	if (info != NULL && IsA(info, ReturnSetInfo) && info->expectedDesc != NULL &&
		info->expectedDesc->natts != columns->count)
		return NULL;
	entry = lookup_type_cache(type, TYPECACHE_TUPDESC);
	if (entry->tupDesc == NULL || entry->tupDesc->natts != columns->count)
		return NULL;
	if (unlikely(entry->tupDesc_identifier != columns->known))
		get_to_know(type, columns);
	return entry->tupDesc_identifier == columns->known ? entry->tupDesc : NULL;
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
		require_columns(row, columns);
		row->values = palloc0(descriptor->natts * sizeof(Datum));
		row->nulls = palloc(descriptor->natts * sizeof(bool));
		memset(row->nulls, true, descriptor->natts * sizeof(bool));
		function->fn_extra = row;
		MemoryContextSwitchTo(caller);
	}
	return function->fn_extra;
}

void
result_prepare(FunctionCallInfo fcinfo, ResultColumns *columns)
{
	if (known_descriptor(fcinfo, columns) == NULL)
		(void) row_of(fcinfo, columns);
}

Datum
result_row(FunctionCallInfo fcinfo, ResultColumns *columns, Datum *values, bool *nulls)
{
	TupleDesc	known = known_descriptor(fcinfo, columns);
	ResultRow  *row;

	if (known != NULL)
		return HeapTupleGetDatum(heap_form_tuple(known, values, nulls));
	row = row_of(fcinfo, columns);
	if (row->descriptor->natts == columns->count)
		return HeapTupleGetDatum(heap_form_tuple(row->descriptor, values, nulls));
	for (int i = 0; i < columns->count; i++)
	{
		row->values[row->attributes[i]] = values[i];
		row->nulls[row->attributes[i]] = nulls[i];
	}
	return HeapTupleGetDatum(heap_form_tuple(row->descriptor, row->values, row->nulls));
}
