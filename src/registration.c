/*
 * registration.c
 *		Bringing keys into the tables.
 *
 * Functions that create and import come here, and so do the triggers that make
 * a workspace's pairs.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "argument.h"
#include "events.h"
#include "guards.h"
#include "permissions.h"
#include "registration.h"
#include "store.h"
#include "vault.h"

void
registration_init(KeyDraft *draft, const text *workspace)
{
	memset(draft, 0, sizeof(KeyDraft));
	draft->workspace = workspace;
	draft->not_before = DT_NOBEGIN;
	draft->expires_at = DT_NOEND;
}

static void
check_array(const char *name, const ArrayType *array, char kind)
{
	if (array == NULL)
		return;
	if (kind == 'p')
		ARGUMENT_REFUSE("argument \"%s\" must be null for a public key, which only identifies its workspace", name);
	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) == 0)
		ARGUMENT_REFUSE("argument \"%s\" must be null or an array with at least one element", name);
	if (array_contains_nulls(unconstify(ArrayType *, array)))
		ARGUMENT_REFUSE("argument \"%s\" must be an array without null elements", name);
}

void
registration_check_restrictions(const ArrayType *permissions, const ArrayType *networks, char kind)
{
	check_array("permissions", permissions, kind);
	check_array("networks", networks, kind);
}

void
registration_check_workspace(const text *workspace, const WorkspaceFacts *facts, char mode)
{
	if (facts->state == WORKSPACE_CLOSED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workspace \"%s\" is closed", argument_shown(workspace)),
				 errhint("Nothing opens it again; create another one.")));
	if (mode == 'l' && !facts->approved)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workspace \"%s\" has not been approved", argument_shown(workspace)),
				 errdetail("Until then it has test keys only."),
				 errhint("An operator approves it with falukeys.approve_workspace(); a test key needs no approval.")));
}

void
registration_report_duplicate(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("this key is, or was, registered already"),
			 errhint("A key is registered once; create another one.")));
	pg_unreachable();
}

static Parameter
parameter_array(Oid type, ArrayType *array)
{
	return (Parameter) {type, PointerGetDatum(array), array == NULL};
}

void
registration_set_permissions(const text *key_id, ArrayType *permissions)
{
	permissions_check("permissions", permissions);
	GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD,
						 "DELETE FROM falukeys.key_permissions WHERE key_id = $1",
						 parameter_text(key_id));
	GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD,
						 "INSERT INTO falukeys.key_permissions (key_id, permission)"
						 " SELECT DISTINCT $1, asked FROM unnest($2) AS asked",
						 parameter_text(key_id), parameter_array(TEXTARRAYOID, permissions));
}

void
registration_set_networks(const text *key_id, ArrayType *networks)
{
	GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD,
						 "DELETE FROM falukeys.key_networks WHERE key_id = $1",
						 parameter_text(key_id));
	GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD,
						 "INSERT INTO falukeys.key_networks (key_id, network)"
						 " SELECT DISTINCT $1, asked FROM unnest($2) AS asked",
						 parameter_text(key_id), parameter_array(CIDRARRAYOID, networks));
}

/* NULL for the infinite time that means no bound */
static Parameter
parameter_bound(TimestampTz value, TimestampTz none)
{
	return (Parameter) {TIMESTAMPTZOID, TimestampTzGetDatum(value), value == none};
}

static void
insert_restrictions(const text *id, const KeyDraft *draft)
{
	if (draft->permissions != NULL)
		registration_set_permissions(id, draft->permissions);
	if (draft->networks != NULL)
		registration_set_networks(id, draft->networks);
	if (draft->objects != NULL)
		GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD,
							 "INSERT INTO falukeys.key_objects (key_id, object_id)"
							 " SELECT DISTINCT $1, asked FROM unnest($2) AS asked",
							 parameter_text(id), parameter_array(TEXTARRAYOID, draft->objects));
}

text *
registration_insert(const KeyDraft *draft, const char *event)
{
	text	   *id = identifier_generate(IDENTIFIER_KEY);
	Oid			kind = catalog_kind_oid(draft->secret.kind);
	Oid			mode = catalog_mode_oid(draft->secret.mode);

	/* We report a conflict ourselves, since the server would show the digest. */
	if (SPI_OWNER_RUN("INSERT INTO falukeys.keys (id, workspace_id, secret, kind, mode,"
					  " permissions_restricted, networks_restricted, not_before, expires_at,"
					  " meta, imported, public_key, description, parent_key_id, parent_secret)"
					  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
					  " ON CONFLICT (secret) DO NOTHING",
					  parameter_text(id),
					  parameter_text(draft->workspace),
					  parameter_of("apikey", ApiKeyPGetDatum(&draft->secret), false),
					  parameter_of("key_kind", ObjectIdGetDatum(kind), false),
					  parameter_of("key_mode", ObjectIdGetDatum(mode), false),
					  parameter_boolean(draft->permissions != NULL),
					  parameter_boolean(draft->networks != NULL),
					  parameter_bound(draft->not_before, DT_NOBEGIN),
					  parameter_bound(draft->expires_at, DT_NOEND),
					  (Parameter) {JSONBOID, draft->meta, draft->meta == 0},
					  parameter_boolean(draft->imported),
					  parameter_text(draft->public_key),
					  parameter_text(draft->description),
					  parameter_text(draft->parent_key_id),
					  parameter_of("apikey", ApiKeyPGetDatum(draft->parent_secret),
								   draft->parent_secret == NULL)) == 0)
		registration_report_duplicate();
	insert_restrictions(id, draft);

	EVENTS_RECORD(event, draft->workspace, id,
				  {"kind", catalog_enum_label(kind)}, {"mode", catalog_enum_label(mode)},
				  {"parent", draft->parent_key_id ? text_to_cstring(draft->parent_key_id) : NULL});
	return id;
}

void
registration_keep(const text *key_id, const PlainKey *key, bool reveal)
{
	if (key->handle.kind != 's')
		return;
	if (key->handle.mode == 'l' && reveal)
		vault_record_revealed(key_id, &key->handle);
	else
		vault_seal(key_id, key);
}

text *
registration_create(KeyDraft *draft, const PlainKey *key, bool reveal)
{
	text	   *id;

	draft->secret = key->handle;
	if (key->handle.kind == 'p')
		draft->public_key = cstring_to_text(key->text);
	id = registration_insert(draft, "key.created");
	registration_keep(id, key, reveal);
	return id;
}
