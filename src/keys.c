/*
 * keys.c
 *		Creating, importing, revealing and describing keys.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "access.h"
#include "argument.h"
#include "arrays.h"
#include "events.h"
#include "guards.h"
#include "identity.h"
#include "keys.h"
#include "precedence.h"
#include "registration.h"
#include "result.h"
#include "spi_owner.h"
#include "vault.h"

#define MAX_TTL_HOURS	24

PG_FUNCTION_INFO_V1(keys_create);
PG_FUNCTION_INFO_V1(keys_create_temporary);
PG_FUNCTION_INFO_V1(keys_import);
PG_FUNCTION_INFO_V1(keys_import_digest);
PG_FUNCTION_INFO_V1(keys_reveal);
PG_FUNCTION_INFO_V1(keys_annotate);

Datum
keys_hand_out(FunctionCallInfo fcinfo, const text *id, PlainKey *key, bool reveal)
{
	static ResultColumns columns = {2, {TEXTOID, TEXTOID}};
	text	   *plaintext = cstring_to_text(key->text);
	Datum		values[2] = {PointerGetDatum(id), PointerGetDatum(plaintext)};
	bool		nulls[2] = {false, !reveal};
	Datum		row = result_row(fcinfo, &columns, values, nulls);

	crypto_cleanse(plaintext, VARSIZE(plaintext));
	crypto_cleanse(key->text, sizeof(key->text));
	return row;
}

static TimestampTz
time_argument(FunctionCallInfo fcinfo, int number, TimestampTz otherwise)
{
	return PG_ARGISNULL(number) ? otherwise : PG_GETARG_TIMESTAMPTZ(number);
}

static void
check_validity(const KeyDraft *draft)
{
	if (TIMESTAMP_IS_NOEND(draft->not_before))
		ARGUMENT_REFUSE("argument \"%s\" must be a time, or -infinity for no bound", "not_before");
	if (draft->expires_at <= GetCurrentTimestamp())
		ARGUMENT_REFUSE("argument \"%s\" must be in the future", "expires_at");
	if (draft->not_before >= draft->expires_at)
		ARGUMENT_REFUSE("argument \"%s\" must be before \"expires_at\"", "not_before");
}

/* The arguments after workspace and key of create_key and the imports */
static void
read_restrictions(FunctionCallInfo fcinfo, KeyDraft *draft, int first, char kind)
{
	draft->description = argument_stored_text(fcinfo, first, "description");
	draft->permissions = argument_stored_array(fcinfo, first + 1, "permissions");
	draft->networks = argument_stored_array(fcinfo, first + 2, "networks");
	draft->expires_at = time_argument(fcinfo, first + 3, DT_NOEND);
	registration_check_restrictions(draft->permissions, draft->networks, kind);
}

static char
mode_argument(FunctionCallInfo fcinfo, int number)
{
	char		mode;

	argument_require(fcinfo, number, "mode");
	mode = catalog_mode(PG_GETARG_OID(number));
	if (mode == '\0')
		ARGUMENT_REFUSE("argument \"%s\" must be test or live", "mode");
	return mode;
}

Datum
keys_create(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);
	KeyDraft	draft;
	WorkspaceFacts facts;
	PlainKey   *key;
	char		kind;
	char		mode;
	bool		reveal;
	SpiOwner	spi;
	Datum		id;

	argument_require(fcinfo, 1, "kind");
	argument_require(fcinfo, 9, "reveal");
	kind = catalog_kind(PG_GETARG_OID(1));
	mode = mode_argument(fcinfo, 2);
	reveal = PG_GETARG_BOOL(9);
	if (kind != 'p' && kind != 's')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be public or secret", "kind"),
				 errhint("Temporary keys come from falukeys.create_temporary_key().")));

	store_lock_for_writing();
	access_check_workspace(workspace, ACCESS_DEVELOPER, &facts);
	registration_init(&draft, workspace);
	read_restrictions(fcinfo, &draft, 3, kind);
	draft.not_before = time_argument(fcinfo, 7, DT_NOBEGIN);
	draft.meta = argument_stored_meta(fcinfo, 8, "meta");
	check_validity(&draft);
	registration_check_workspace(workspace, &facts, mode);

	key = apikey_generate(kind, mode);
	spi_owner_begin(&spi);
	id = spi_owner_carry(PointerGetDatum(registration_create(&draft, key, reveal)));
	spi_owner_end(&spi);
	return keys_hand_out(fcinfo, DatumGetTextPP(id), key, reveal);
}

static TimestampTz
ttl_end(FunctionCallInfo fcinfo, int number)
{
	int64		ttl = argument_duration(fcinfo, number, MAX_TTL_HOURS * USECS_PER_HOUR);

	if (ttl <= 0)
		ARGUMENT_REFUSE("argument \"%s\" must be more than 0 and at most 24 hours", "ttl");
	return GetCurrentTimestamp() + ttl;
}

static void
check_objects(const ArrayType *objects)
{
	if (ArrayGetNItems(ARR_NDIM(objects), ARR_DIMS(objects)) == 0)
		ARGUMENT_REFUSE("argument \"%s\" must be an array with at least one element", "objects");
	if (array_contains_nulls(unconstify(ArrayType *, objects)))
		ARGUMENT_REFUSE("argument \"%s\" must be an array without null elements", "objects");
}

static void
limit_permissions(KeyDraft *draft, const Identity *identity)
{
	Datum	   *asked;
	int			count;

	if (draft->permissions == NULL)
	{
		draft->permissions = arrays_of_list(identity->permissions, TEXTOID);
		return;
	}
	deconstruct_array(draft->permissions, TEXTOID, -1, false, TYPALIGN_INT, &asked, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		if (!identity_allows(identity, DatumGetTextPP(asked[i])))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("a temporary key has no more permissions than the key that creates it")));
	}
}

static bool
is_within(List *networks, const inet *asked)
{
	ListCell   *cell;

	foreach(cell, networks)
	{
		if (verdict_covers_network(lfirst(cell), asked))
			return true;
	}
	return false;
}

static void
limit_networks(KeyDraft *draft, const Identity *identity)
{
	Datum	   *asked;
	int			count;

	if (draft->networks == NULL)
	{
		draft->networks = arrays_of_list(identity->networks, CIDROID);
		return;
	}
	deconstruct_array(draft->networks, CIDROID, -1, false, TYPALIGN_INT, &asked, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		if (!is_within(identity->networks, DatumGetInetPP(asked[i])))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("a temporary key has no more networks than the key that creates it")));
	}
}

/*
 * The holder of a secret key creates temporary keys for its own workspace and
 * mode.  Where it asks for no restrictions, they have those of the secret key.
 * They end with the secret that it holds.
 */
static void
limit_to_identity(KeyDraft *draft, char mode, WorkspaceFacts *facts)
{
	const Identity *identity = identity_current();

	if (identity == NULL || identity->facts.secret.kind != 's' ||
		identity->facts.secret.mode != mode ||
		strcmp(identity->facts.workspace_id.text, text_to_cstring(draft->workspace)) != 0)
		access_check_workspace(draft->workspace, ACCESS_DEVELOPER, facts);
	else
	{
		(void) store_read_workspace(draft->workspace, facts);
		if (identity->facts.permissions_restricted)
			limit_permissions(draft, identity);
		if (identity->facts.networks_restricted)
			limit_networks(draft, identity);
		draft->parent_key_id = identity->key_id;
		draft->parent_secret = &identity->secret;
	}
}

Datum
keys_create_temporary(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);
	KeyDraft	draft;
	WorkspaceFacts facts;
	PlainKey   *key;
	char		mode;
	SpiOwner	spi;
	Datum		id;

	mode = mode_argument(fcinfo, 1);
	argument_require(fcinfo, 2, "objects");
	argument_require(fcinfo, 5, "ttl");

	registration_init(&draft, workspace);
	draft.objects = argument_stored_array(fcinfo, 2, "objects");
	draft.permissions = argument_stored_array(fcinfo, 3, "permissions");
	draft.networks = argument_stored_array(fcinfo, 4, "networks");
	draft.expires_at = ttl_end(fcinfo, 5);
	check_objects(draft.objects);
	registration_check_restrictions(draft.permissions, draft.networks, 't');
	/* An identity needs no access, but acting_in applies to it too. */
	access_check_acting_in(workspace);
	store_lock_for_writing();
	if (identity_current() != NULL && !access_allows_workspace(workspace, ACCESS_DEVELOPER))
		limit_to_identity(&draft, mode, &facts);
	else
		access_check_workspace(workspace, ACCESS_DEVELOPER, &facts);
	registration_check_workspace(workspace, &facts, mode);

	key = apikey_generate('t', mode);
	draft.secret = key->handle;
	spi_owner_begin(&spi);
	id = spi_owner_carry(PointerGetDatum(registration_insert(&draft, "key.created")));
	spi_owner_end(&spi);
	return keys_hand_out(fcinfo, DatumGetTextPP(id), key, true);
}

static Datum
import(FunctionCallInfo fcinfo, const text *workspace, const ApiKey *secret, const text *public_key)
{
	KeyDraft	draft;
	WorkspaceFacts facts;
	SpiOwner	spi;
	Datum		id;

	if (secret->kind == 't')
		ARGUMENT_REFUSE("argument \"%s\" must be a public or secret key", "key");
	store_lock_for_writing();
	access_check_workspace(workspace, ACCESS_DEVELOPER, &facts);
	registration_init(&draft, workspace);
	read_restrictions(fcinfo, &draft, 2, secret->kind);
	draft.meta = argument_stored_meta(fcinfo, 6, "meta");
	draft.imported = true;
	draft.secret = *secret;
	draft.public_key = public_key;
	check_validity(&draft);
	registration_check_workspace(workspace, &facts, secret->mode);

	spi_owner_begin(&spi);
	id = spi_owner_carry(PointerGetDatum(registration_insert(&draft, "key.imported")));
	spi_owner_end(&spi);
	return id;
}

Datum
keys_import(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);
	text	   *plaintext = argument_text(fcinfo, 1, "key");
	ApiKey		secret;
	KeyFormatError error;

	error = apikey_from_text(VARDATA_ANY(plaintext), VARSIZE_ANY_EXHDR(plaintext), &secret);
	if (error != KEY_FORMAT_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("argument \"%s\" must be a plaintext key", "key"),
				 errdetail("%s", _(key_format_explain(error)))));
	return import(fcinfo, workspace, &secret, secret.kind == 'p' ? plaintext : NULL);
}

Datum
keys_import_digest(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);

	argument_require(fcinfo, 1, "key");
	return import(fcinfo, workspace, PG_GETARG_APIKEY_P(1), NULL);
}

/*
 * Within a spi_owner_begin: waits for a roll in progress, and returns the
 * secret after it.
 */
static ApiKey
lock_secret(const text *key_id)
{
	KeyFacts	facts;

	precedence_lock_key(PRECEDENCE_KEY_AND_SECRET, key_id, NULL);
	if (!store_read_key(key_id, &facts))
		access_deny_key(key_id);
	return facts.secret;
}

/*
 * What may fail and what a ROLLBACK undoes comes first, since the mark that
 * the vault sets is never undone.
 */
static text *
reveal_live(const text *key_id, const KeyFacts *facts, const text *saved_in)
{
	text	   *workspace = cstring_to_text(facts->workspace_id.text);
	SpiOwner	spi;
	ApiKey		secret;

	PreventCommandIfReadOnly("reveal_key() of a live secret");
	PreventCommandDuringRecovery("reveal_key() of a live secret");

	store_lock_for_writing();
	spi_owner_begin(&spi);
	secret = lock_secret(key_id);
	GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD,
						 "UPDATE falukeys.keys SET saved_in = $2 WHERE id = $1 AND $2 IS NOT NULL",
						 parameter_text(key_id), parameter_text(saved_in));
	EVENTS_RECORD("key.revealed", workspace, key_id,
				  {"saved_in", saved_in ? text_to_cstring(saved_in) : NULL});
	spi_owner_end(&spi);
	return vault_reveal(key_id, &secret, saved_in);
}

static void
note_saved_in(const text *key_id, const text *saved_in)
{
	SpiOwner	spi;

	if (saved_in == NULL)
		return;
	PreventCommandIfReadOnly("reveal_key() with \"saved_in\"");
	store_lock_for_writing();
	spi_owner_begin(&spi);
	precedence_lock_key(PRECEDENCE_KEY, key_id, NULL);
	SPI_OWNER_RUN("UPDATE falukeys.keys SET saved_in = $2 WHERE id = $1",
				  parameter_text(key_id), parameter_text(saved_in));
	spi_owner_end(&spi);
}

static text *
reveal_public(const text *key_id)
{
	SpiOwner	spi;
	Datum		revealed;
	bool		null;

	spi_owner_begin(&spi);
	if (SPI_OWNER_RUN("SELECT public_key FROM falukeys.keys WHERE id = $1 AND public_key IS NOT NULL",
					  parameter_text(key_id)) == 0)
		access_deny_key(key_id);
	revealed = spi_owner_carry(spi_owner_result(1, &null));
	spi_owner_end(&spi);
	return DatumGetTextPP(revealed);
}

static void
refuse_reveal(const text *key_id, const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("key \"%s\" cannot be revealed", argument_shown(key_id)),
			 errdetail("%s", _(why)),
			 errhint("%s", _(hint))));
}

Datum
keys_reveal(PG_FUNCTION_ARGS)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	text	   *saved_in = argument_stored_text(fcinfo, 1, "saved_in");
	KeyFacts	facts;
	text	   *revealed;

	access_check_key(key_id, ACCESS_DEVELOPER, &facts);
	if (facts.secret.kind == 't')
		refuse_reveal(key_id, gettext_noop("A temporary key is shown when it is created, and not kept."),
					  gettext_noop("Create another one with falukeys.create_temporary_key()."));
	if (store_key_is_imported(key_id))
		refuse_reveal(key_id, gettext_noop("It was imported, so whoever made it has it."),
					  gettext_noop("Roll the key or create another one."));

	if (facts.secret.kind == 's' && facts.secret.mode == 'l')
		PG_RETURN_TEXT_P(reveal_live(key_id, &facts, saved_in));
	revealed = facts.secret.kind == 'p' ? reveal_public(key_id) :
		vault_reveal(key_id, &facts.secret, saved_in);
	note_saved_in(key_id, saved_in);
	PG_RETURN_TEXT_P(revealed);
}

Datum
keys_annotate(PG_FUNCTION_ARGS)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	text	   *description = argument_stored_text(fcinfo, 1, "description");
	text	   *saved_in = argument_stored_text(fcinfo, 2, "saved_in");
	Datum		meta = argument_stored_meta(fcinfo, 3, "meta");
	KeyFacts	facts;
	SpiOwner	spi;

	store_lock_for_writing();
	access_check_key(key_id, ACCESS_DEVELOPER, &facts);
	if (description == NULL && saved_in == NULL && meta == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments \"%s\", \"%s\" and \"%s\" must not all be null",
						"description", "saved_in", "meta"),
				 errhint("An empty text, or '{}', empties what is there.")));
	spi_owner_begin(&spi);
	precedence_lock_key(PRECEDENCE_KEY, key_id, NULL);
	SPI_OWNER_RUN("UPDATE falukeys.keys SET description = coalesce($2, description),"
				  " saved_in = coalesce($3, saved_in), meta = coalesce($4, meta) WHERE id = $1",
				  parameter_text(key_id),
				  parameter_text(description),
				  parameter_text(saved_in),
				  (Parameter) {JSONBOID, meta, meta == 0});
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}
