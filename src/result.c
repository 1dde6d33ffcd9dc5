/*
 * result.c
 *		The row that a function returns.
 *
 * Ground floor: calls nothing of ours.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"

#include "result.h"

/* Looked up once for each place in a query that calls it */
static TupleDesc
descriptor_of(FunctionCallInfo fcinfo)
{
	FmgrInfo   *function = fcinfo->flinfo;

	if (function->fn_extra == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(function->fn_mcxt);
		TupleDesc	descriptor;

		if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		function->fn_extra = BlessTupleDesc(descriptor);
		MemoryContextSwitchTo(caller);
	}
	return function->fn_extra;
}

Datum
result_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	return HeapTupleGetDatum(heap_form_tuple(descriptor_of(fcinfo), values, nulls));
}
