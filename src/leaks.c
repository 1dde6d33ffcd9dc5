/*
 * leaks.c
 *		Keys that turned up where they should not be.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access.h"
#include "acting_in.h"
#include "argument.h"
#include "events.h"
#include "guards.h"
#include "lifecycle.h"
#include "precedence.h"
#include "registration.h"
#include "spi_owner.h"
#include "store.h"
#include "verdict.h"

PG_FUNCTION_INFO_V1(leaks_report);

/* For a key whose secret leaked, and which gets another one */
static void
reissue(const text *key_id, const KeyFacts *facts)
{
	PlainKey   *key = apikey_generate(facts->secret.kind, facts->secret.mode);

	lifecycle_replace_secret(key_id, facts, key, DT_NOEND, GetCurrentTimestamp());
	registration_keep(key_id, key, false);
}

static void
end_key(const text *key_id, text *source)
{
	SPI_OWNER_RUN("UPDATE falukeys.keys SET compromised_at = $2,"
				  " revoke_reason = coalesce(revoke_reason, $3)"
				  " WHERE id = $1 AND compromised_at IS NULL",
				  parameter_text(key_id),
				  parameter_timestamp(GetCurrentTimestamp()),
				  parameter_text(source));
}

static void
record(const text *key_id, const KeyFacts *facts, text *source, const char *secret)
{
	EVENTS_RECORD("key.compromised", cstring_to_text(facts->workspace_id.text), key_id,
				  {"source", source ? text_to_cstring(source) : NULL},
				  {"secret", secret});
}

/* For a secret that has been replaced already, only its grace is ended. */
static void
report_retired(const text *key_id, const ApiKey *secret, const KeyFacts *facts, text *source)
{
	if (GUARDS_RUN_WITH_PASS(GUARD_PASS_ROLL,
							 "UPDATE falukeys.retired_secrets SET compromised_at = $2"
							 " WHERE secret OPERATOR(falukeys.=) $1 AND compromised_at IS NULL",
							 parameter_of("apikey", ApiKeyPGetDatum(secret), false),
							 parameter_timestamp(GetCurrentTimestamp())) > 0)
		record(key_id, facts, source, "retired");
}

/* False where the key is gone */
static bool
report_key(const text *key_id, const ApiKey *secret, text *source)
{
	SpiOwner	spi;
	VerdictRequest nothing = {.uncounted = true};
	Verdict		verdict;
	KeyFacts	facts;

	spi_owner_begin(&spi);
	if (!precedence_lock(PRECEDENCE_KEY_AND_SECRET, key_id, "report_compromised_key") ||
		!store_read_key(key_id, &facts))
	{
		spi_owner_end(&spi);
		return false;
	}
	verdict_reach(secret, &nothing, &verdict);

	/* The key may have been rolled while we waited for its row. */
	if (!crypto_equal(&facts.secret, secret, sizeof(ApiKey)))
		report_retired(key_id, secret, &facts, source);
	else if (secret->kind == 's' &&
			 (verdict.code == VERDICT_NOT_YET_VALID || verdict.code >= VERDICT_WRONG_MODE))
	{
		reissue(key_id, &facts);
		record(key_id, &facts, source, "reissued");
	}
	else
		end_key(key_id, source);
	spi_owner_end(&spi);
	return true;
}

/* The key that has or had a secret; NULL for an unknown one */
static text *
find_key(const ApiKey *secret, KeyFacts *facts)
{
	StoreReader reader;
	RetiredFacts retired;
	text	   *id = NULL;

	store_reader_begin(&reader);
	if (store_key_by_secret(&reader, secret, facts))
		id = cstring_to_text(facts->id.text);
	else if (store_retired(&reader, secret, &retired))
	{
		id = cstring_to_text(retired.key_id.text);
		if (!store_key_by_id(&reader, id, facts))
			id = NULL;
	}
	store_reader_end(&reader);
	return id;
}

Datum
leaks_report(PG_FUNCTION_ARGS)
{
	text	   *plaintext = argument_text(fcinfo, 0, "key");
	text	   *source = argument_stored_text(fcinfo, 1, "source");
	ApiKey		secret;
	KeyFormatError error;
	KeyFacts	facts;
	text	   *key_id;

	access_check_level("report_compromised_key", ACCESS_VERIFIER, ACCESS_OPERATOR);
	error = apikey_from_text(VARDATA_ANY(plaintext), VARSIZE_ANY_EXHDR(plaintext), &secret);
	if (error != KEY_FORMAT_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("argument \"%s\" must be a plaintext key", "key"),
				 errdetail("%s", _(key_format_explain(error)))));
	if (secret.kind == 'p')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a secret or temporary key", "key"),
				 errdetail("Public keys are no secrets."),
				 errhint("Revoke it with falukeys.revoke_key(), if it is not to be used any more.")));

	precedence_lock_tables("report_compromised_key", ACCESS_VERIFIER);
	key_id = find_key(&secret, &facts);
	/* Narrowed, an unknown key is refused as another workspace's is. */
	if (acting_in_is_set() &&
		(key_id == NULL || acting_in_excludes(cstring_to_text(facts.workspace_id.text))))
		access_deny_key(plaintext);
	if (key_id == NULL || !report_key(key_id, &secret, source))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(key_id);
}
