/*
 * dashboard.c
 *		The rows that the views show to members of workspaces.
 *
 * Who sees a row is decided before any condition of the query is looked at:
 * only rows of the caller's workspaces are read, and all of them, whatever is
 * asked for.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "access.h"
#include "spi_owner.h"

PG_FUNCTION_INFO_V1(dashboard_own_workspaces);
PG_FUNCTION_INFO_V1(dashboard_own_usage);
PG_FUNCTION_INFO_V1(dashboard_own_keys);
PG_FUNCTION_INFO_V1(dashboard_own_events);

/* The query has one parameter, the caller's workspaces. */
static Datum
own_rows(FunctionCallInfo fcinfo, const char *query)
{
	ReturnSetInfo *rows = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *workspaces = access_own_workspaces();
	DestReceiver *destination;
	SpiOwner	spi;

	InitMaterializedSRF(fcinfo, 0);
	if (ARR_NDIM(workspaces) == 0)
		return (Datum) 0;

	spi_owner_begin(&spi);
	destination = CreateDestReceiver(DestTuplestore);
	SetTuplestoreDestReceiverParams(destination, rows->setResult,
									rows->econtext->ecxt_per_query_memory, false,
									rows->setDesc, "the view has other columns than the function");
	spi_owner_read(query, (Parameter) {TEXTARRAYOID, PointerGetDatum(workspaces), false},
				   destination);
	spi_owner_end(&spi);
	return (Datum) 0;
}

Datum
dashboard_own_workspaces(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *workspaces = access_own_workspaces();
	Datum	   *ids;
	bool		null = false;
	int			count;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	deconstruct_array(workspaces, TEXTOID, -1, false, TYPALIGN_INT, &ids, NULL, &count);
	for (int i = 0; i < count; i++)
		tuplestore_putvalues(rows->setResult, rows->setDesc, &ids[i], &null);
	return (Datum) 0;
}

Datum
dashboard_own_usage(PG_FUNCTION_ARGS)
{
	return own_rows(fcinfo, "SELECT * FROM falukeys_internal.every_usage WHERE workspace_id = ANY ($1)");
}

Datum
dashboard_own_keys(PG_FUNCTION_ARGS)
{
	return own_rows(fcinfo, "SELECT * FROM falukeys_internal.every_key WHERE workspace_id = ANY ($1)");
}

Datum
dashboard_own_events(PG_FUNCTION_ARGS)
{
	return own_rows(fcinfo, "SELECT * FROM falukeys.events WHERE workspace_id = ANY ($1)");
}
