/*
 * usage.c
 *		How often keys are used, as SQL sees it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "access.h"
#include "result.h"
#include "usage_counters.h"

PG_FUNCTION_INFO_V1(usage_unflushed);

#define USAGE_COLUMNS	6

static ResultColumns columns = {
	USAGE_COLUMNS, {INT8OID, INT8OID, TIMESTAMPTZOID, INETOID, TIMESTAMPTZOID, INETOID}
};

Datum
usage_unflushed(PG_FUNCTION_ARGS)
{
	text	   *key_id = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	UsageCounts counts = {0};
	Identifier	id;
	bool		counted = false;
	Datum		values[USAGE_COLUMNS] = {0};
	bool		nulls[USAGE_COLUMNS];

	memset(nulls, true, sizeof(nulls));

	if (usage_counters_exist() && key_id != NULL && access_sees_key(key_id))
	{
		identifier_copy(&id, key_id);
		counted = usage_counters_of(&id, GetActiveSnapshot(), &counts);
	}
	if (counted)
	{
		values[0] = Int64GetDatum((int64) counts.uses);
		values[1] = Int64GetDatum((int64) counts.denials);
		values[2] = TimestampTzGetDatum(counts.last_used_at);
		values[4] = TimestampTzGetDatum(counts.last_retired_at);
		nulls[0] = nulls[1] = false;
		nulls[2] = counts.last_used_at == 0;
		nulls[3] = counts.last_client.family == 0;
		nulls[4] = counts.last_retired_at == 0;
		nulls[5] = counts.last_retired_client.family == 0;
		if (!nulls[3])
			values[3] = usage_client_datum(&counts.last_client);
		if (!nulls[5])
			values[5] = usage_client_datum(&counts.last_retired_client);
	}
	return result_row(fcinfo, &columns, values, nulls);
}
