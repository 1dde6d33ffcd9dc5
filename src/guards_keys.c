/*
 * guards_keys.c
 *		Triggers that hold the rules of keys, their secrets and restrictions.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "argument.h"
#include "digest.h"
#include "events.h"
#include "guards.h"
#include "identifier.h"
#include "recording.h"
#include "registration.h"
#include "standby.h"
#include "store.h"
#include "vault.h"

PG_FUNCTION_INFO_V1(guards_keys_before);
PG_FUNCTION_INFO_V1(guards_keys_after);
PG_FUNCTION_INFO_V1(guards_keys_inserting);
PG_FUNCTION_INFO_V1(guards_keys_inserted);
PG_FUNCTION_INFO_V1(guards_retired_before);
PG_FUNCTION_INFO_V1(guards_retired_after);
PG_FUNCTION_INFO_V1(guards_sealed_before);
PG_FUNCTION_INFO_V1(guards_restrictions_before);

/* How many keys the running INSERT has registered */
static uint64 imported = 0;

/* The secret in a row's column of that name */
static ApiKey *
row_secret(TriggerRow *row)
{
	bool		null;
	Datum		value = trigger_row_value(row, "secret", &null);

	if (null)
		GUARDS_REFUSE("a key needs a secret", "Create it with falukeys.create_key().");
	return DatumGetApiKeyP(value);
}

/*
 * Kind and mode are part of the secret.  If they are given too, they must be
 * the same.
 */
static void
fill_from_secret(TriggerRow *row, const char *column, Oid value)
{
	bool		null;
	Datum		given = trigger_row_value(row, column, &null);

	if (null)
		trigger_row_set(row, column, ObjectIdGetDatum(value));
	else if (DatumGetObjectId(given) != value)
		ARGUMENT_REFUSE("argument \"%s\" must be that of the secret", column);
}

static void
check_public_key(TriggerRow *row, const ApiKey *secret)
{
	text	   *plain = trigger_row_text(row, "public_key");
	ApiKey		handle;

	if (plain == NULL)
	{
		/* Where only the digest is known */
		if (secret->kind == 'p' && !trigger_row_boolean(row, "imported"))
			ARGUMENT_REFUSE("argument \"%s\" must be the text of the key", "public_key");
		return;
	}
	if (secret->kind != 'p')
		ARGUMENT_REFUSE("argument \"%s\" must be null for a key that is not public", "public_key");
	if (apikey_from_text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain), &handle) != KEY_FORMAT_OK ||
		!crypto_equal(&handle, secret, sizeof(ApiKey)))
		ARGUMENT_REFUSE("argument \"%s\" must be the text of the key whose digest the secret is", "public_key");
}

/* A missing parent may be restored later.  Until then the key does not verify. */
static void
check_parent(TriggerRow *row, const ApiKey *secret)
{
	bool		null;
	Datum		parent = trigger_row_value(row, "parent_secret", &null);
	KeyFacts	facts;

	if (null != trigger_row_is_null(row, "parent_key_id"))
		ARGUMENT_REFUSE("argument \"%s\" must be given with \"parent_key_id\"", "parent_secret");
	if (null)
		return;
	if (secret->kind != 't')
		ARGUMENT_REFUSE("argument \"%s\" must be null for a key that is not temporary", "parent_secret");
	if (DatumGetApiKeyP(parent)->kind != 's' || DatumGetApiKeyP(parent)->mode != secret->mode)
		ARGUMENT_REFUSE("argument \"%s\" must be a secret key of the same mode", "parent_secret");
	if (!trigger_row_is_null(row, "workspace_id") &&
		store_read_key(trigger_row_text(row, "parent_key_id"), &facts) &&
		(facts.secret.kind != 's' || facts.secret.mode != secret->mode ||
		 !identifier_equals(&facts.workspace_id, trigger_row_text(row, "workspace_id"))))
		ARGUMENT_REFUSE("argument \"%s\" must be a secret key of the same workspace and mode", "parent_key_id");
}

/* Rules of a row by itself */
static void
check_row(TriggerRow *row, const ApiKey *secret)
{
	if (secret->kind == 'p' &&
		(trigger_row_boolean(row, "permissions_restricted") || trigger_row_boolean(row, "networks_restricted")))
		GUARDS_REFUSE("a public key cannot be restricted",
					  "It only identifies its workspace.");
	if (secret->kind == 't' && trigger_row_is_null(row, "expires_at"))
		ARGUMENT_REFUSE("argument \"%s\" must be set for a temporary key", "expires_at");
	check_public_key(row, secret);
}

static void
prepare_insert(TriggerRow *row)
{
	ApiKey	   *secret = row_secret(row);
	WorkspaceFacts workspace;
	text	   *id;

	if (trigger_row_is_null(row, "id"))
	{
		if (secret->kind == 't')
			GUARDS_REFUSE("a temporary key cannot be registered",
						  "Create one with falukeys.create_temporary_key().");
		id = identifier_generate(IDENTIFIER_KEY);
		trigger_row_set(row, "id", PointerGetDatum(id));
		guards_remember_new(id);
		trigger_row_set(row, "imported", BoolGetDatum(true));
	}
	else if (!identifier_is_valid(IDENTIFIER_KEY, trigger_row_text(row, "id")))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be an id as falukeys makes them", "id"),
				 errhint("Leave it out for a new key.")));

	fill_from_secret(row, "kind", catalog_kind_oid(secret->kind));
	fill_from_secret(row, "mode", catalog_mode_oid(secret->mode));
	guards_fill_creation(row);
	check_row(row, secret);
	check_parent(row, secret);

	/* A restored key may belong to a workspace that has been closed since. */
	if (secret->mode == 'l' && !trigger_row_is_null(row, "workspace_id") &&
		store_read_workspace(trigger_row_text(row, "workspace_id"), &workspace) && !workspace.approved)
		GUARDS_REFUSE("a workspace that was never approved has test keys only",
					  "Approve it with falukeys.approve_workspace().");
	if (digest_is_in_keys(secret, NULL))
		registration_report_duplicate();
}

static bool
row_is_of_keys(const TriggerRow *row)
{
	return RelationGetRelid(row->trigger->tg_relation) == catalog_relation(CATALOG_KEYS);
}

/* Keys first: a digest moves from there to the retired secrets, never back. */
static void
check_digest_is_new(TriggerRow *row)
{
	ApiKey	   *secret = row_secret(row);
	ItemPointer self = &row->trigger->tg_trigtuple->t_self;
	bool		is_key = row_is_of_keys(row);

	if (digest_is_in_keys(secret, is_key ? self : NULL) ||
		digest_is_retired(secret, is_key ? NULL : self))
		registration_report_duplicate();
}

static TimestampTz
end_of(Datum value, bool null)
{
	return null ? DT_NOEND : DatumGetTimestampTz(value);
}

static void
check_validity_change(TriggerRow *row, const ApiKey *secret)
{
	bool		old_null;
	bool		null;
	Datum		old_value = trigger_row_old_value(row, "expires_at", &old_null);
	Datum		value = trigger_row_value(row, "expires_at", &null);
	TimestampTz before = end_of(old_value, old_null);
	TimestampTz after = end_of(value, null);

	if (before <= GetCurrentTimestamp() && after != before)
		GUARDS_REFUSE("an expired key cannot be revived", "Create another key.");
	if (secret->kind == 't' && after > before)
		GUARDS_REFUSE("a temporary key cannot be extended", "Create another one.");
}

static void
check_ends_stay(TriggerRow *row)
{
	static const char *const ends[] = {"revoked_at", "compromised_at"};

	for (int i = 0; i < (int) lengthof(ends); i++)
	{
		if (!trigger_row_was_null(row, ends[i]) && trigger_row_differs(row, ends[i]))
			GUARDS_REFUSE("a key that ended for good stays so", "Create another key.");
	}
}

Datum
guards_keys_before(PG_FUNCTION_ARGS)
{
	static const char *const always[] = {
		"id", "workspace_id", "kind", "mode", "created_at", "created_by",
		"parent_key_id", "parent_secret"
	};
	static const char *const by_roll[] = {"secret", "public_key", "imported"};
	TriggerRow	row;

	trigger_row_begin(fcinfo, &row);
	if (trigger_row_is_delete(&row))
	{
		if (!guards_has_pass(GUARD_PASS_PURGE))
			GUARDS_REFUSE("keys are not deleted", "Revoke the key with falukeys.revoke_key().");
		return trigger_row_result(&row);
	}

	trigger_row_redact(&row, "description", ARGUMENT_MAX_TEXT);
	trigger_row_redact(&row, "saved_in", ARGUMENT_MAX_TEXT);
	trigger_row_redact(&row, "revoke_reason", ARGUMENT_MAX_TEXT);
	guards_check_meta(&row);
	if (trigger_row_is_insert(&row))
		prepare_insert(&row);
	else
	{
		guards_require_unchanged(&row, lengthof(always), always);
		if (!guards_has_pass(GUARD_PASS_ROLL))
			guards_require_unchanged(&row, lengthof(by_roll), by_roll);
		check_row(&row, row_secret(&row));
		check_validity_change(&row, row_secret(&row));
		check_ends_stay(&row);
	}
	return trigger_row_result(&row);
}

/*
 * For keys registered by plain INSERT.  Of a bulk load only the first ones are
 * recorded one by one, and the rest as a number: a million events would say no
 * more than the keys do.
 */
static void
record_import(TriggerRow *row)
{
	SpiOwner	spi;
	bool		null;

	if (++imported > RECORDING_MAX_EVENTS)
		return;
	spi_owner_begin(&spi);
	EVENTS_RECORD("key.imported", trigger_row_text(row, "workspace_id"), trigger_row_text(row, "id"),
				  {"kind", catalog_enum_label(DatumGetObjectId(trigger_row_value(row, "kind", &null)))},
				  {"mode", catalog_enum_label(DatumGetObjectId(trigger_row_value(row, "mode", &null)))});
	spi_owner_end(&spi);
}

/* After each INSERT statement */
Datum
guards_keys_inserted(PG_FUNCTION_ARGS)
{
	uint64		rest = imported > RECORDING_MAX_EVENTS ? imported - RECORDING_MAX_EVENTS : 0;
	SpiOwner	spi;

	imported = 0;
	if (rest > 0)
	{
		spi_owner_begin(&spi);
		EVENTS_RECORD("key.imported", NULL, NULL,
					  {"count", psprintf(UINT64_FORMAT, rest)});
		spi_owner_end(&spi);
	}
	return PointerGetDatum(NULL);
}

/* Before each INSERT statement: an error may have left a count behind. */
Datum
guards_keys_inserting(PG_FUNCTION_ARGS)
{
	imported = 0;
	return PointerGetDatum(NULL);
}

/* Does an update take anything away from the holder of the key? */
static bool
takes_away(TriggerRow *row)
{
	static const char *const columns[] = {
		"secret", "disabled", "permissions_restricted", "networks_restricted",
		"not_before", "expires_at", "revoked_at", "compromised_at"
	};

	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		if (trigger_row_differs(row, columns[i]))
			return true;
	}
	return false;
}

Datum
guards_keys_after(PG_FUNCTION_ARGS)
{
	TriggerRow	row;
	SpiOwner	spi;

	trigger_row_begin(fcinfo, &row);
	if (trigger_row_is_insert(&row))
	{
		check_digest_is_new(&row);
		if (guards_take_new(trigger_row_text(&row, "id")))
			record_import(&row);
		return PointerGetDatum(NULL);
	}

	spi_owner_begin(&spi);
	recording_key(&row);
	if (takes_away(&row))
		standby_commit_with_apply();
	spi_owner_end(&spi);
	return PointerGetDatum(NULL);
}

/* Is a row of retired_secrets written by our own roll or purge? */
static bool
is_retired_by_us(void)
{
	return guards_has_pass(GUARD_PASS_ROLL) || guards_has_pass(GUARD_PASS_PURGE);
}

/* By whose clock ever */
static void
require_past(TriggerRow *row, const char *column)
{
	bool		null;
	TimestampTz value = DatumGetTimestampTz(trigger_row_value(row, column, &null));

	if (!null && value > GetCurrentTimestamp() + USECS_PER_DAY)
		ARGUMENT_REFUSE("argument \"%s\" must be in the past", column);
}

/* As verification sees it: a report after the end of the grace changes nothing. */
static bool
was_reported(TriggerRow *row)
{
	bool		null;
	TimestampTz valid_until = DatumGetTimestampTz(trigger_row_value(row, "valid_until", &null));
	TimestampTz compromised_at = DatumGetTimestampTz(trigger_row_value(row, "compromised_at", &null));

	return !null && compromised_at < valid_until;
}

/* The key may be purged, or not restored yet. */
static void
check_is_of_key(TriggerRow *row)
{
	ApiKey	   *secret = row_secret(row);
	KeyFacts	facts;

	if (!trigger_row_is_null(row, "key_id") &&
		store_read_key(trigger_row_text(row, "key_id"), &facts) &&
		(facts.secret.kind != secret->kind || facts.secret.mode != secret->mode))
		ARGUMENT_REFUSE("argument \"%s\" must be of the kind and mode of its key", "secret");
}

/* Could a roll have made this row?  A restored row was made by one. */
static void
check_grace(TriggerRow *row)
{
	bool		null;
	TimestampTz retired_at = DatumGetTimestampTz(trigger_row_value(row, "retired_at", &null));
	TimestampTz valid_until = DatumGetTimestampTz(trigger_row_value(row, "valid_until", &null));

	/* NULLs are refused by the table itself, and a reported secret has no grace. */
	if (trigger_row_is_null(row, "retired_at") || trigger_row_is_null(row, "valid_until"))
		return;
	require_past(row, "compromised_at");
	check_is_of_key(row);
	if (was_reported(row))
		return;
	require_past(row, "retired_at");
	if (valid_until > retired_at + GUARDS_MAX_GRACE_DAYS * USECS_PER_DAY)
		ARGUMENT_REFUSE("argument \"%s\" must be at most 30 days after \"retired_at\"", "valid_until");
}

Datum
guards_retired_before(PG_FUNCTION_ARGS)
{
	static const char *const fixed[] = {"secret", "key_id", "retired_at"};
	TriggerRow	row;
	bool		null;

	trigger_row_begin(fcinfo, &row);
	if (trigger_row_is_insert(&row))
	{
		if (!trigger_row_is_null(&row, "secret") &&
			digest_is_retired(row_secret(&row), NULL))
			registration_report_duplicate();
		if (!is_retired_by_us())
			check_grace(&row);
		return trigger_row_result(&row);
	}

	guards_require_unchanged(&row, lengthof(fixed), fixed);
	if (DatumGetTimestampTz(trigger_row_value(&row, "valid_until", &null)) >
		DatumGetTimestampTz(trigger_row_old_value(&row, "valid_until", &null)))
		GUARDS_REFUSE("the grace of a retired secret is never extended",
					  "Use the secret that replaced it.");
	if (!trigger_row_was_null(&row, "compromised_at") && trigger_row_differs(&row, "compromised_at"))
		GUARDS_REFUSE("a secret that was reported as compromised stays so", "Use the secret that replaced it.");
	require_past(&row, "compromised_at");
	return trigger_row_result(&row);
}

/*
 * A secret inserted by hand that is still good is recorded as a roll is.  For
 * a restored one the record has its roll already, since a dump has events
 * before it.
 */
static void
record_retired_insert(TriggerRow *row)
{
	text	   *key_id = trigger_row_text(row, "key_id");
	bool		null;
	TimestampTz retired_at = DatumGetTimestampTz(trigger_row_value(row, "retired_at", &null));
	TimestampTz valid_until = DatumGetTimestampTz(trigger_row_value(row, "valid_until", &null));
	SpiOwner	spi;

	if (was_reported(row) || valid_until <= GetCurrentTimestamp())
		return;
	spi_owner_begin(&spi);
	if (SPI_OWNER_RUN("SELECT FROM falukeys.events WHERE key_id = $1 AND event = 'key.rolled'"
					  " AND at BETWEEN $2 AND $2 + interval '1 minute'"
					  " AND (detail ->> 'valid_until')::timestamptz = $3",
					  parameter_text(key_id), parameter_timestamp(retired_at),
					  parameter_timestamp(valid_until)) == 0)
		EVENTS_RECORD("key.rolled", recording_workspace_of(key_id), key_id,
					  {"valid_until", timestamptz_to_str(valid_until)},
					  {"secret", "inserted"});
	spi_owner_end(&spi);
}

/* A grace that is ended by hand is recorded as one that a function ended. */
static void
record_retired_update(TriggerRow *row)
{
	text	   *key_id = trigger_row_text(row, "key_id");
	SpiOwner	spi;

	spi_owner_begin(&spi);
	if (trigger_row_differs(row, "compromised_at"))
		EVENTS_RECORD("key.compromised", recording_workspace_of(key_id), key_id, {"secret", "retired"});
	else if (trigger_row_differs(row, "valid_until"))
		events_record("key.grace_ended", recording_workspace_of(key_id), key_id, 0, NULL);
	spi_owner_end(&spi);
}

Datum
guards_retired_after(PG_FUNCTION_ARGS)
{
	TriggerRow	row;

	trigger_row_begin(fcinfo, &row);
	if (trigger_row_is_insert(&row))
	{
		check_digest_is_new(&row);
		if (!is_retired_by_us())
			record_retired_insert(&row);
	}
	else if (!is_retired_by_us())
		record_retired_update(&row);
	standby_commit_with_apply();
	return PointerGetDatum(NULL);
}

Datum
guards_sealed_before(PG_FUNCTION_ARGS)
{
	TriggerRow	row;
	bool		null;
	Datum		seal;
	text	   *saved_in;

	trigger_row_begin(fcinfo, &row);
	seal = trigger_row_value(&row, "seal", &null);
	saved_in = trigger_row_text(&row, "first_saved_in");
	if (null || !vault_seal_is_valid(DatumGetByteaPP(seal)) ||
		(saved_in != NULL && VARSIZE_ANY_EXHDR(saved_in) != VAULT_SAVED_IN_LENGTH))
		GUARDS_REFUSE("this is no sealed secret", "Only a restore inserts into this table.");
	vault_seal_arrives(DatumGetByteaPP(seal));
	return trigger_row_result(&row);
}

/* Restrictions inserted by hand take effect at once. */
static void
set_restricted(TriggerRow *row, const KeyFacts *facts)
{
	bool		permissions = strcmp(RelationGetRelationName(row->trigger->tg_relation),
									 "key_permissions") == 0;
	SpiOwner	spi;

	if (permissions ? facts->permissions_restricted : facts->networks_restricted)
		return;
	spi_owner_begin(&spi);
	GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD,
						 permissions ?
						 "UPDATE falukeys.keys SET permissions_restricted = true WHERE id = $1" :
						 "UPDATE falukeys.keys SET networks_restricted = true WHERE id = $1",
						 parameter_text(trigger_row_text(row, "key_id")));
	spi_owner_end(&spi);
}

/* For key_permissions, key_networks and key_objects, by the kind that they are for */
Datum
guards_restrictions_before(PG_FUNCTION_ARGS)
{
	TriggerRow	row;
	KeyFacts	facts;
	bool		for_objects;

	trigger_row_begin(fcinfo, &row);
	if (trigger_row_is_delete(&row))
	{
		standby_commit_with_apply();
		return trigger_row_result(&row);
	}

	for_objects = row.trigger->tg_trigger->tgargs[0][0] == 't';
	if (trigger_row_is_null(&row, "key_id"))
		return trigger_row_result(&row);
	if (!store_read_key(trigger_row_text(&row, "key_id"), &facts))
		return trigger_row_result(&row);	/* its foreign key says so */
	if (facts.secret.kind == 'p')
		GUARDS_REFUSE("a public key cannot be restricted", "It only identifies its workspace.");
	if (for_objects && facts.secret.kind != 't')
		GUARDS_REFUSE("only a temporary key is for certain objects",
					  "Create one with falukeys.create_temporary_key().");
	if (!for_objects)
		set_restricted(&row, &facts);
	return trigger_row_result(&row);
}
