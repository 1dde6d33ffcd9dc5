/*
 * find_keys.c
 *		Keys in other text, and whose they are.
 */
#include "postgres.h"

#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "access_level.h"
#include "apikey.h"
#include "compat.h"
#include "verdict.h"

PG_FUNCTION_INFO_V1(find_keys);

/* Columns of find_keys, from 0 */
enum
{
	FOUND_START,
	FOUND_KEY,
	FOUND_CHECKSUM_OK,
	FOUND_KEY_ID,
	FOUND_STATE,
	FOUND_COLUMNS
};

/*
 * The state is that of the key as such: what it may not do without a permission,
 * an object or an address is no matter here.  Nobody has presented it.
 */
static void
find_owner(const KeySpan *span, const ApiKey *key, Datum *values, bool *nulls)
{
	VerdictRequest nothing = {.uncounted = true};
	Verdict		verdict = {.code = VERDICT_MALFORMED};

	if (span->parts.checksum != KEY_CHECKSUM_WRONG)
		verdict_reach(key, &nothing, &verdict);
	if (verdict.code >= VERDICT_ROLLED)
	{
		values[FOUND_KEY_ID] = CStringGetTextDatum(verdict.facts.id.text);
		nulls[FOUND_KEY_ID] = false;
	}
	if (verdict_is_denial(verdict.code))
		verdict.code = VERDICT_VALID;
	values[FOUND_STATE] = CStringGetTextDatum(verdict_code_name(verdict.code));
	nulls[FOUND_STATE] = false;
}

Datum
find_keys(PG_FUNCTION_ARGS)
{
	text	   *source = PG_ARGISNULL(0) ? cstring_to_text("") : PG_GETARG_TEXT_PP(0);
	const char *bytes = VARDATA_ANY(source);
	size_t		length = VARSIZE_ANY_EXHDR(source);
	ReturnSetInfo *rows = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		verifies = access_level_has(GetUserId(), ACCESS_VERIFIER);
	size_t		counted = 0;
	int			characters = 0;
	KeySpan		span = {0};

	InitMaterializedSRF(fcinfo, 0);
	while (key_format_find_in_long(bytes, length, span.start + span.length, apikey_pause, &span))
	{
		Datum		values[FOUND_COLUMNS] = {0};
		bool		nulls[FOUND_COLUMNS] = {[FOUND_KEY_ID] = true,[FOUND_STATE] = true};
		ApiKey		key;

		CHECK_FOR_INTERRUPTS();
		characters += pg_mbstrlen_with_len(bytes + counted, (int) (span.start - counted));
		counted = span.start;
		apikey_from_parts(bytes + span.start, span.length, &span.parts, &key);

		values[FOUND_START] = Int32GetDatum(characters + 1);
		values[FOUND_KEY] = ApiKeyPGetDatum(&key);
		values[FOUND_CHECKSUM_OK] = BoolGetDatum(span.parts.checksum == KEY_CHECKSUM_RIGHT);
		nulls[FOUND_CHECKSUM_OK] = span.parts.checksum == KEY_CHECKSUM_NONE;
		if (verifies)
			find_owner(&span, &key, values, nulls);
		tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
		for (int i = FOUND_KEY_ID; i <= FOUND_STATE; i++)
		{
			if (!nulls[i])
				pfree(DatumGetPointer(values[i]));
		}
	}
	return (Datum) 0;
}
