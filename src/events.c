/*
 * events.c
 *		The append-only record of what was done to workspaces and keys.
 *
 * Rules floor: calls statement and apikey.  An event stands or falls with the
 * transaction that it tells of, and is announced at its commit.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "apikey.h"
#include "events.h"
#include "statement.h"

#define EVENTS_CHANNEL	"falukeys"

char	   *events_acting_for = NULL;

static Parameter
detail_parameter(int details, const EventDetail *detail)
{
	StringInfoData json;
	bool		empty = true;

	initStringInfo(&json);
	for (int i = 0; i < details; i++)
	{
		if (detail[i].value == NULL)
			continue;
		appendStringInfoString(&json, empty ? "{" : ", ");
		escape_json(&json, detail[i].name);
		appendStringInfoString(&json, ": ");
		escape_json(&json, detail[i].value);
		empty = false;
	}
	if (empty)
		return (Parameter) {JSONBOID, (Datum) 0, true};

	appendStringInfoChar(&json, '}');
	return (Parameter) {JSONBOID,
		DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)), false};
}

void
events_record(const char *event, const text *workspace, const text *key,
			  int details, const EventDetail *detail)
{
	text	   *acting_for = NULL;
	int64		id;
	bool		null;
	char		payload[64];

	if (events_acting_for != NULL && events_acting_for[0] != '\0')
		acting_for = apikey_redact_text(cstring_to_text(events_acting_for));

	STATEMENT_RUN("INSERT INTO falukeys.events"
				  " (event, actor, session_actor, acting_for, workspace_id, key_id, detail)"
				  " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
				  parameter_string(event),
				  parameter_name(GetUserNameFromId(statement_actor(), false)),
				  parameter_name(GetUserNameFromId(GetSessionUserId(), false)),
				  parameter_text(acting_for),
				  parameter_text(workspace),
				  parameter_text(key),
				  detail_parameter(details, detail));
	id = DatumGetInt64(statement_result(1, &null));

	snprintf(payload, sizeof(payload), "{\"id\": " INT64_FORMAT "}", id);
	Async_Notify(EVENTS_CHANNEL, payload);
}
