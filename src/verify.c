/*
 * verify.c
 *		Verification as SQL calls it.
 *
 * Nothing here raises an error for an argument.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "result.h"
#include "verdict.h"
#include "verify.h"

PG_FUNCTION_INFO_V1(verify_key);
PG_FUNCTION_INFO_V1(verify_key_allows);
PG_FUNCTION_INFO_V1(verify_handle_allows);

/* As type verdict has them */
static ResultColumns columns = {
	8, {BOOLOID, TEXTOID, TEXTOID, TEXTOID, RESULT_ENUM, RESULT_ENUM, TIMESTAMPTZOID, JSONBOID}
};

void
verify_prepare(FunctionCallInfo fcinfo)
{
	result_prepare(fcinfo, &columns);
}

Datum
verify_verdict_datum(FunctionCallInfo fcinfo, const Verdict *verdict)
{
	const KeyFacts *facts = &verdict->facts;
	Datum		values[RESULT_MAX_COLUMNS];
	bool		nulls[RESULT_MAX_COLUMNS] = {false};

	values[0] = BoolGetDatum(verdict->code == VERDICT_VALID);
	values[1] = CStringGetTextDatum(verdict_code_name(verdict->code));
	if (verdict->code < VERDICT_ROLLED)
		memset(nulls + 2, true, columns.count - 2);
	else
	{
		values[2] = CStringGetTextDatum(facts->id.text);
		values[3] = CStringGetTextDatum(facts->workspace_id.text);
		values[4] = ObjectIdGetDatum(facts->kind_oid);
		values[5] = ObjectIdGetDatum(facts->mode_oid);
		values[6] = TimestampTzGetDatum(facts->expires_at);
		nulls[6] = TIMESTAMP_IS_NOEND(facts->expires_at);
		values[7] = facts->meta;
		nulls[7] = facts->meta == 0;
	}
	return result_row(fcinfo, &columns, values, nulls);
}

/* Arguments of verify_key and authenticate */
void
verify_request(FunctionCallInfo fcinfo, VerdictRequest *request)
{
	memset(request, 0, sizeof(VerdictRequest));
	request->permission = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	request->client = PG_ARGISNULL(2) ? NULL : PG_GETARG_INET_PP(2);
	request->object_id = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
	request->mode = PG_ARGISNULL(4) ? InvalidOid : PG_GETARG_OID(4);
	request->with_meta = true;
}

Datum
verify_key(PG_FUNCTION_ARGS)
{
	VerdictRequest request;
	Verdict		verdict;
	ApiKey		secret;

	verify_prepare(fcinfo);
	verify_request(fcinfo, &request);
	if (verdict_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &secret, &verdict))
		verdict_reach(&secret, &request, &verdict);
	return verify_verdict_datum(fcinfo, &verdict);
}

static void
short_request(FunctionCallInfo fcinfo, VerdictRequest *request)
{
	memset(request, 0, sizeof(VerdictRequest));
	request->permission = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	request->client = PG_ARGISNULL(2) ? NULL : PG_GETARG_INET_PP(2);
}

Datum
verify_key_allows(PG_FUNCTION_ARGS)
{
	VerdictRequest request;
	Verdict		verdict;
	ApiKey		secret;

	short_request(fcinfo, &request);
	if (verdict_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &secret, &verdict))
		verdict_reach(&secret, &request, &verdict);
	PG_RETURN_BOOL(verdict.code == VERDICT_VALID);
}

Datum
verify_handle_allows(PG_FUNCTION_ARGS)
{
	VerdictRequest request;
	Verdict		verdict;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	short_request(fcinfo, &request);
	verdict_reach(PG_GETARG_APIKEY_P(0), &request, &verdict);
	PG_RETURN_BOOL(verdict.code == VERDICT_VALID);
}
