/*
 * argument.c
 *		Arguments of SQL functions: refused by name, shown without key text.
 *
 * Our functions are not STRICT: a NULL where one is needed would otherwise pass
 * in silence.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/syscache.h"

#include "apikey.h"
#include "argument.h"
#include "identifier.h"
#include "texts.h"

#define SHOWN_LENGTH	64

const char *
argument_shown(const text *value)
{
	return text_to_cstring(texts_cut(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), SHOWN_LENGTH));
}

void
argument_require(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ARGUMENT_REFUSE("argument \"%s\" must not be null", name);
}

text *
argument_text(FunctionCallInfo fcinfo, int number, const char *name)
{
	argument_require(fcinfo, number, name);
	return PG_GETARG_TEXT_PP(number);
}

static bool
begins_with(const text *value, const char *prefix)
{
	size_t		length = strlen(prefix);

	return VARSIZE_ANY_EXHDR(value) >= length && memcmp(VARDATA_ANY(value), prefix, length) == 0;
}

text *
argument_key_id(FunctionCallInfo fcinfo, int number)
{
	text	   *id = argument_text(fcinfo, number, "key_id");

	if (apikey_begins(id))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be the id of a key, not the key itself", "key_id"),
				 errhint("The id begins with \"%s\"; it is in falukeys.dashboard, and in what falukeys.verify_key() returns.",
						 IDENTIFIER_KEY)));
	if (begins_with(id, IDENTIFIER_WORKSPACE))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be the id of a key, not of a workspace", "key_id"),
				 errhint("The id begins with \"%s\"; it is in falukeys.dashboard.", IDENTIFIER_KEY)));
	return id;
}

text *
argument_workspace(FunctionCallInfo fcinfo, int number)
{
	text	   *id = argument_text(fcinfo, number, "workspace");

	if (apikey_begins(id))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be the id of a workspace, not a key", "workspace"),
				 errhint("The id begins with \"%s\"; it is in falukeys.workspace_list, and in what falukeys.verify_key() returns.",
						 IDENTIFIER_WORKSPACE)));
	if (begins_with(id, IDENTIFIER_KEY))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be the id of a workspace, not of a key", "workspace"),
				 errhint("The id begins with \"%s\"; it is in falukeys.workspace_list.", IDENTIFIER_WORKSPACE)));
	return id;
}

void
argument_check_length(const char *name, const text *value, int limit)
{
	int			length = VARSIZE_ANY_EXHDR(value);

	/* A character has at least one byte, so short texts need no counting. */
	if (length > limit && pg_mbstrlen_with_len(VARDATA_ANY(value), length) > limit)
		ARGUMENT_REFUSE("argument \"%s\" must be at most %d characters long", name, limit);
}

void
argument_check_meta(const char *name, Datum value)
{
	if (toast_raw_datum_size(value) - VARHDRSZ > ARGUMENT_MAX_META)
		ARGUMENT_REFUSE("argument \"%s\" must be at most %d kB large", name, ARGUMENT_MAX_META / 1024);
}

text *
argument_stored_text(FunctionCallInfo fcinfo, int number, const char *name)
{
	text	   *value;

	if (PG_ARGISNULL(number))
		return NULL;
	value = PG_GETARG_TEXT_PP(number);
	argument_check_length(name, value, ARGUMENT_MAX_TEXT);
	return apikey_redact_text(value);
}

/* The length of elements is checked where they are texts. */
ArrayType *
argument_stored_array(FunctionCallInfo fcinfo, int number, const char *name)
{
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	if (PG_ARGISNULL(number))
		return NULL;
	array = PG_GETARG_ARRAYTYPE_P(number);
	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > ARGUMENT_MAX_ELEMENTS)
		ARGUMENT_REFUSE("argument \"%s\" must be an array of at most %d elements",
						name, ARGUMENT_MAX_ELEMENTS);
	if (ARR_ELEMTYPE(array) != TEXTOID)
		return array;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i] &&
			pg_mbstrlen_with_len(VARDATA_ANY(DatumGetPointer(elements[i])),
								 VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i]))) > ARGUMENT_MAX_NAME)
			ARGUMENT_REFUSE("argument \"%s\" must be an array of texts of at most %d characters each",
							name, ARGUMENT_MAX_NAME);
	}
	return array;
}

Datum
argument_stored_meta(FunctionCallInfo fcinfo, int number, const char *name)
{
	Datum		value;

	if (PG_ARGISNULL(number))
		return (Datum) 0;
	value = JsonbPGetDatum(PG_GETARG_JSONB_P(number));
	argument_check_meta(name, value);
	return value;
}

int64
argument_duration(FunctionCallInfo fcinfo, int number, int64 limit)
{
	Interval	longest = {.day = limit / USECS_PER_DAY,.time = limit % USECS_PER_DAY};
	Interval	none = {0};
	Datum		value = PG_GETARG_DATUM(number);
	TimestampTz now = GetCurrentTimestamp();
	Datum		end;

	if (DatumGetBool(DirectFunctionCall2(interval_lt, value, IntervalPGetDatum(&none))) ||
		DatumGetBool(DirectFunctionCall2(interval_gt, value, IntervalPGetDatum(&longest))))
		return -1;
	end = DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), value);
	/* In comparisons a month has 30 days; in additions it has its own length. */
	return Min(DatumGetTimestampTz(end) - now, limit);
}

/* regrole accepts any number.  One without a role could become a future role's. */
Oid
argument_role(FunctionCallInfo fcinfo, int number, const char *name)
{
	Oid			role;

	argument_require(fcinfo, number, name);
	role = PG_GETARG_OID(number);
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		ARGUMENT_REFUSE("argument \"%s\" must be an existing role", name);
	return role;
}
