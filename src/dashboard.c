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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "access.h"
#include "spi_owner.h"

PG_FUNCTION_INFO_V1(dashboard_own_workspaces);
PG_FUNCTION_INFO_V1(dashboard_own_usage);
PG_FUNCTION_INFO_V1(dashboard_own_keys);
PG_FUNCTION_INFO_V1(dashboard_own_events);
PG_FUNCTION_INFO_V1(dashboard_own_workspace_list);
PG_FUNCTION_INFO_V1(dashboard_own_members);
PG_FUNCTION_INFO_V1(dashboard_own_key_changes);
PG_FUNCTION_INFO_V1(dashboard_own_attention);

/*
 * The first parameter of the query has the workspaces in which the caller has
 * what it needs, the second one those whose keys it may see.
 */
static Datum
own_rows(FunctionCallInfo fcinfo, AccessNeed need, const char *query)
{
	ReturnSetInfo *rows = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *workspaces = access_own_workspaces(need);
	ArrayType  *with_keys = need == ACCESS_DEVELOPER ? workspaces : access_own_workspaces(ACCESS_DEVELOPER);
	Parameter	parameters[] = {
		{TEXTARRAYOID, PointerGetDatum(workspaces), false},
		{TEXTARRAYOID, PointerGetDatum(with_keys), false},
	};
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
	spi_owner_read(query, lengthof(parameters), parameters, destination);
	spi_owner_end(&spi);
	return (Datum) 0;
}

Datum
dashboard_own_workspaces(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *workspaces = access_own_workspaces(ACCESS_DEVELOPER);
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
	return own_rows(fcinfo, ACCESS_DEVELOPER, "SELECT * FROM falukeys_internal.every_usage WHERE workspace_id = ANY ($1)");
}

Datum
dashboard_own_keys(PG_FUNCTION_ARGS)
{
	return own_rows(fcinfo, ACCESS_DEVELOPER, "SELECT * FROM falukeys_internal.every_key WHERE workspace_id = ANY ($1)");
}

Datum
dashboard_own_events(PG_FUNCTION_ARGS)
{
	return own_rows(fcinfo, ACCESS_DEVELOPER, "SELECT * FROM falukeys.events WHERE workspace_id = ANY ($1)");
}

/* Keys are not even counted for callers who may not see them. */
Datum
dashboard_own_workspace_list(PG_FUNCTION_ARGS)
{
	return own_rows(fcinfo, ACCESS_MEMBER,
					"SELECT * FROM falukeys_internal.every_workspace WHERE id = ANY ($2)"
					" UNION ALL SELECT id, name, state, created_at, approved_at, suspended_at, closed_at, reason,"
					" NULL, NULL, meta"
					" FROM falukeys_internal.every_workspace WHERE id = ANY ($1) AND id <> ALL ($2)");
}

Datum
dashboard_own_members(PG_FUNCTION_ARGS)
{
	return own_rows(fcinfo, ACCESS_MEMBER, "SELECT * FROM falukeys_internal.every_member WHERE workspace_id = ANY ($1)");
}

Datum
dashboard_own_attention(PG_FUNCTION_ARGS)
{
	return own_rows(fcinfo, ACCESS_DEVELOPER, "SELECT * FROM falukeys_internal.every_attention WHERE workspace_id = ANY ($1)");
}

Datum
dashboard_own_key_changes(PG_FUNCTION_ARGS)
{
	if (!access_sees_every_key_change(GetUserId()))
		return own_rows(fcinfo, ACCESS_DEVELOPER, "SELECT * FROM falukeys_internal.every_key_change WHERE workspace_id = ANY ($1)");
	InitMaterializedSRF(fcinfo, 0);
	return (Datum) 0;
}
