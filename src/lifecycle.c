/*
 * lifecycle.c
 *		From one secret to the next, and to the end of a key.
 *
 * What a change is recorded as, and what may never be changed back, the
 * triggers see to.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access.h"
#include "acting_in.h"
#include "argument.h"
#include "catalog.h"
#include "events.h"
#include "guards.h"
#include "keys.h"
#include "precedence.h"
#include "registration.h"
#include "spi_owner.h"
#include "store.h"
#include "verdict.h"

#define MAX_PURGE_YEARS	1000

PG_FUNCTION_INFO_V1(lifecycle_roll);
PG_FUNCTION_INFO_V1(lifecycle_end_grace);
PG_FUNCTION_INFO_V1(lifecycle_disable);
PG_FUNCTION_INFO_V1(lifecycle_enable);
PG_FUNCTION_INFO_V1(lifecycle_revoke);
PG_FUNCTION_INFO_V1(lifecycle_set_validity);
PG_FUNCTION_INFO_V1(lifecycle_purge);
PG_FUNCTION_INFO_V1(lifecycle_report_compromised);

/* Ends the graces of retired secrets, except reported ones, which have none. */
static uint64
end_graces(const text *key_id)
{
	return GUARDS_RUN_WITH_PASS(GUARD_PASS_ROLL,
								"UPDATE falukeys.retired_secrets SET valid_until = $2"
								" WHERE key_id = $1 AND valid_until > $2 AND compromised_at IS NULL",
								parameter_text(key_id), parameter_timestamp(GetCurrentTimestamp()));
}

/* Replaces the secret in facts by a new one, and retires it. */
static void
replace_secret(const text *key_id, const KeyFacts *facts, const PlainKey *key,
						 TimestampTz valid_until, TimestampTz compromised_at)
{
	(void) end_graces(key_id);
	GUARDS_RUN_WITH_PASS(GUARD_PASS_ROLL,
						 "UPDATE falukeys.keys SET secret = $2, public_key = $3, imported = false,"
						 " saved_in = NULL WHERE id = $1",
						 parameter_text(key_id),
						 parameter_of("apikey", ApiKeyPGetDatum(&key->handle), false),
						 parameter_string(key->handle.kind == 'p' ? key->text : NULL));
	GUARDS_RUN_WITH_PASS(GUARD_PASS_ROLL,
						 "INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until, compromised_at)"
						 " VALUES ($1, $2, $3, $4, $5)",
						 parameter_of("apikey", ApiKeyPGetDatum(&facts->secret), false),
						 parameter_text(key_id),
						 parameter_timestamp(GetCurrentTimestamp()),
						 parameter_timestamp(valid_until),
						 (Parameter) {TIMESTAMPTZOID, TimestampTzGetDatum(compromised_at),
							 TIMESTAMP_IS_NOEND(compromised_at)});
}

static void
refuse_roll(const char *id, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("key \"%s\" cannot be rolled", id),
			 errdetail("%s", _(why)),
			 errhint("Create another key.")));
}

/* A sentence, or NULL for a key that has not ended */
static const char *
why_it_ended(const KeyFacts *facts)
{
	WorkspaceFacts workspace;

	if (facts->compromised)
		return gettext_noop("It was reported as compromised.");
	if (facts->revoked)
		return gettext_noop("It was revoked.");
	if (facts->expires_at <= GetCurrentTimestamp())
		return gettext_noop("It has expired.");
	if (!store_read_workspace(cstring_to_text(facts->workspace_id.text), &workspace) ||
		workspace.state == WORKSPACE_CLOSED)
		return gettext_noop("Its workspace is closed.");
	return NULL;
}

static void
check_rollable(const KeyFacts *facts)
{
	const char *ended;

	if (facts->secret.kind == 't')
		refuse_roll(facts->id.text, gettext_noop("It is a temporary key."));
	ended = why_it_ended(facts);
	if (ended != NULL)
		refuse_roll(facts->id.text, ended);
}

/* Within a spi_owner_begin, the key's row locked */
static void
check_can_be_enabled(const text *key_id)
{
	KeyFacts	facts;
	const char *ended;

	if (!store_read_key(key_id, &facts))
		access_deny_key(key_id);
	ended = why_it_ended(&facts);
	if (ended != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("key \"%s\" cannot be enabled", facts.id.text),
				 errdetail("%s", _(ended)),
				 errhint("Create another key.")));
}

static TimestampTz
grace_end(FunctionCallInfo fcinfo, int number, const KeyFacts *facts)
{
	int64		grace = argument_duration(fcinfo, number, GUARDS_MAX_GRACE_DAYS * USECS_PER_DAY);

	if (grace < 0)
		ARGUMENT_REFUSE("argument \"%s\" must be between 0 and 30 days", "grace");
	return Min(GetCurrentTimestamp() + grace, facts->expires_at);
}

Datum
lifecycle_roll(PG_FUNCTION_ARGS)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	KeyFacts	facts;
	PlainKey   *key;
	TimestampTz valid_until;
	bool		reveal;
	SpiOwner	spi;

	argument_require(fcinfo, 1, "grace");
	argument_require(fcinfo, 2, "reveal");
	reveal = PG_GETARG_BOOL(2);
	store_lock_for_writing();
	access_check_key(key_id, ACCESS_DEVELOPER, &facts);

	key = apikey_generate(facts.secret.kind, facts.secret.mode);
	spi_owner_begin(&spi);
	precedence_lock_key(PRECEDENCE_KEY_AND_SECRET, key_id, NULL);
	if (!store_read_key(key_id, &facts))
		access_deny_key(key_id);
	check_rollable(&facts);
	valid_until = grace_end(fcinfo, 1, &facts);
	replace_secret(key_id, &facts, key, valid_until, DT_NOEND);
	/* Recorded at once, since a restore recognizes the retired secret by this event. */
	EVENTS_RECORD("key.rolled", cstring_to_text(facts.workspace_id.text), key_id,
				  {"valid_until", timestamptz_to_str(valid_until)});
	registration_keep(key_id, key, reveal);
	spi_owner_end(&spi);
	return keys_hand_out(fcinfo, key_id, key, reveal);
}

Datum
lifecycle_end_grace(PG_FUNCTION_ARGS)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	KeyFacts	facts;
	SpiOwner	spi;

	store_lock_for_writing();
	access_check_key(key_id, ACCESS_DEVELOPER, &facts);
	spi_owner_begin(&spi);
	precedence_lock_key(PRECEDENCE_KEY, key_id, NULL);
	if (end_graces(key_id) > 0)
		events_record("key.grace_ended", cstring_to_text(facts.workspace_id.text), key_id, 0, NULL);
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}

static void
set_disabled(const text *key_id, bool disabled, const char *stop)
{
	SpiOwner	spi;

	spi_owner_begin(&spi);
	precedence_lock_key(PRECEDENCE_KEY, key_id, stop);
	if (!disabled)
		check_can_be_enabled(key_id);
	SPI_OWNER_RUN("UPDATE falukeys.keys SET disabled = $2 WHERE id = $1 AND disabled <> $2",
				  parameter_text(key_id), parameter_boolean(disabled));
	spi_owner_end(&spi);
}

Datum
lifecycle_disable(PG_FUNCTION_ARGS)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	KeyFacts	facts;

	precedence_lock_tables("disable_key", ACCESS_OPERATOR);
	access_check_key(key_id, ACCESS_DEVELOPER_OR_OPERATOR, &facts);
	set_disabled(key_id, true, "disable_key");
	PG_RETURN_VOID();
}

Datum
lifecycle_enable(PG_FUNCTION_ARGS)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	KeyFacts	facts;

	store_lock_for_writing();
	access_check_key(key_id, ACCESS_DEVELOPER, &facts);
	set_disabled(key_id, false, NULL);
	PG_RETURN_VOID();
}

Datum
lifecycle_revoke(PG_FUNCTION_ARGS)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	text	   *reason = argument_stored_text(fcinfo, 1, "reason");
	KeyFacts	facts;
	SpiOwner	spi;
	uint64		revoked;

	precedence_lock_tables("revoke_key", ACCESS_OPERATOR);
	access_check_key(key_id, ACCESS_DEVELOPER_OR_OPERATOR, &facts);
	spi_owner_begin(&spi);
	precedence_lock_key(PRECEDENCE_KEY, key_id, "revoke_key");
	revoked = SPI_OWNER_RUN("UPDATE falukeys.keys SET revoked_at = $2, revoke_reason = $3"
							" WHERE id = $1 AND revoked_at IS NULL",
							parameter_text(key_id),
							parameter_timestamp(GetCurrentTimestamp()),
							parameter_text(reason));
	spi_owner_end(&spi);
	if (revoked == 0)
		ereport(NOTICE,
				(errmsg("key \"%s\" is revoked already", argument_shown(key_id))));
	PG_RETURN_VOID();
}

/* Checks the bounds that are to be set; an infinite one on its own side is none. */
static void
check_bounds(TimestampTz not_before, TimestampTz expires_at, const char *changed)
{
	if (TIMESTAMP_IS_NOEND(not_before))
		ARGUMENT_REFUSE("argument \"%s\" must be a time, or -infinity for no bound", "not_before");
	if (TIMESTAMP_IS_NOBEGIN(expires_at))
		ARGUMENT_REFUSE("argument \"%s\" must be a time, or infinity for no bound", "expires_at");
	if (not_before < expires_at)
		return;
	if (strcmp(changed, "not_before") == 0)
		ARGUMENT_REFUSE("argument \"%s\" must be before \"expires_at\"", changed);
	ARGUMENT_REFUSE("argument \"%s\" must be after \"not_before\"", changed);
}

Datum
lifecycle_set_validity(PG_FUNCTION_ARGS)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	KeyFacts	facts;
	SpiOwner	spi;

	store_lock_for_writing();
	access_check_key(key_id, ACCESS_DEVELOPER, &facts);
	if (PG_ARGISNULL(1) && PG_ARGISNULL(2))
		PG_RETURN_VOID();

	/* Someone else may just be changing the other bound. */
	spi_owner_begin(&spi);
	precedence_lock_key(PRECEDENCE_KEY, key_id, NULL);
	if (!store_read_key(key_id, &facts))
		access_deny_key(key_id);
	/* Not even setting the same time again is allowed. */
	if (facts.expires_at <= GetCurrentTimestamp())
		GUARDS_REFUSE("an expired key cannot be revived", "Create another key.");
	if (!PG_ARGISNULL(1))
		facts.not_before = PG_GETARG_TIMESTAMPTZ(1);
	if (!PG_ARGISNULL(2))
		facts.expires_at = PG_GETARG_TIMESTAMPTZ(2);
	check_bounds(facts.not_before, facts.expires_at, PG_ARGISNULL(1) ? "expires_at" : "not_before");

	SPI_OWNER_RUN("UPDATE falukeys.keys SET not_before = nullif($2, '-infinity'),"
				  " expires_at = nullif($3, 'infinity') WHERE id = $1",
				  parameter_text(key_id),
				  parameter_timestamp(facts.not_before), parameter_timestamp(facts.expires_at));
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}

/* The digests of purged keys stay taken. */
Datum
lifecycle_purge(PG_FUNCTION_ARGS)
{
	Interval	none = {0};
	Interval	limit = {.month = MAX_PURGE_YEARS * MONTHS_PER_YEAR};
	SpiOwner	spi;
	uint64		purged;

	access_level_check("purge_keys", ACCESS_OPERATOR, ACCESS_OPERATOR);
	access_check_platform("purge_keys");
	argument_require(fcinfo, 0, "older_than");
	if (DatumGetBool(DirectFunctionCall2(interval_lt, PG_GETARG_DATUM(0), IntervalPGetDatum(&none))) ||
		DatumGetBool(DirectFunctionCall2(interval_gt, PG_GETARG_DATUM(0), IntervalPGetDatum(&limit))))
		ARGUMENT_REFUSE("argument \"%s\" must be between 0 and 1000 years", "older_than");

	store_lock_for_writing();

	/*
	 * A concurrent flush of usage could write rows that are being deleted.  As
	 * flushes wait for us, we wait for nobody: a key that someone is changing
	 * is left to the next purge.
	 */
	LockRelationOid(catalog_relation(CATALOG_KEY_USAGE), ShareRowExclusiveLock);
	spi_owner_begin(&spi);
	purged = GUARDS_RUN_WITH_PASS(GUARD_PASS_PURGE,
								  "WITH ended AS MATERIALIZED (SELECT id FROM falukeys.keys WHERE kind = 'temporary'"
								  " AND least(expires_at, revoked_at, compromised_at) < clock_timestamp() - $1"
								  " FOR UPDATE SKIP LOCKED),"
								  " purged AS (DELETE FROM falukeys.keys AS k USING ended WHERE k.id = ended.id"
								  " RETURNING k.secret, k.id),"
								  " forgotten AS (DELETE FROM falukeys.key_usage USING purged WHERE key_id = id)"
								  " INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until)"
								  " SELECT secret, id, clock_timestamp(), clock_timestamp() FROM purged",
								  parameter_interval(PG_GETARG_INTERVAL_P(0)));
	if (purged > 0)
		EVENTS_RECORD("keys.purged", NULL, NULL,
					  {"count", psprintf(UINT64_FORMAT, purged)},
					  {"older_than", DatumGetCString(DirectFunctionCall1(interval_out, PG_GETARG_DATUM(0)))});
	spi_owner_end(&spi);
	PG_RETURN_INT64((int64) purged);
}

/* ---- Keys that turned up where they should not be ---- */

/* For a key whose secret leaked, and which gets another one */
static void
reissue(const text *key_id, const KeyFacts *facts)
{
	PlainKey   *key = apikey_generate(facts->secret.kind, facts->secret.mode);

	replace_secret(key_id, facts, key, DT_NOEND, GetCurrentTimestamp());
	registration_keep(key_id, key, false);
}

static void
end_compromised(const text *key_id, text *source)
{
	SPI_OWNER_RUN("UPDATE falukeys.keys SET compromised_at = $2,"
				  " revoke_reason = coalesce(revoke_reason, $3)"
				  " WHERE id = $1 AND compromised_at IS NULL",
				  parameter_text(key_id),
				  parameter_timestamp(GetCurrentTimestamp()),
				  parameter_text(source));
}

static void
record_compromise(const text *key_id, const KeyFacts *facts, text *source, const char *secret)
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
		record_compromise(key_id, facts, source, "retired");
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
		record_compromise(key_id, &facts, source, "reissued");
	}
	else
		end_compromised(key_id, source);
	spi_owner_end(&spi);
	return true;
}

/* The key that has or had a secret; NULL for an unknown one */
static text *
key_of_secret(const ApiKey *secret, KeyFacts *facts)
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
lifecycle_report_compromised(PG_FUNCTION_ARGS)
{
	text	   *plaintext = argument_text(fcinfo, 0, "key");
	text	   *source = argument_stored_text(fcinfo, 1, "source");
	ApiKey		secret;
	KeyFormatError error;
	KeyFacts	facts;
	text	   *key_id;

	access_level_check("report_compromised_key", ACCESS_VERIFIER, ACCESS_OPERATOR);
	error = apikey_from_text(VARDATA_ANY(plaintext), VARSIZE_ANY_EXHDR(plaintext), &secret);
	if (error != KEY_FORMAT_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("argument \"%s\" must be a plaintext key", "key"),
				 errdetail("%s", _(key_format_explain(error))),
				 errhint("Where only the key's id is known, call falukeys.roll_key() or falukeys.revoke_key().")));
	if (secret.kind == 'p')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a secret or temporary key", "key"),
				 errdetail("Public keys are no secrets."),
				 errhint("Revoke it with falukeys.revoke_key(), if it is not to be used any more.")));

	precedence_lock_tables("report_compromised_key", ACCESS_VERIFIER);
	key_id = key_of_secret(&secret, &facts);
	/*
	 * In a narrowed session, an unknown key is refused like one of another
	 * workspace.
	 */
	if (acting_in_is_set() &&
		(key_id == NULL || acting_in_excludes(cstring_to_text(facts.workspace_id.text))))
		access_deny_key(plaintext);
	if (key_id == NULL || !report_key(key_id, &secret, source))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(key_id);
}
