/*
 * identity.c
 *		The key that the running transaction acts for.
 *
 * The identity lives in this backend's memory and nowhere else: no setting,
 * table or role can make one.  It ends with its transaction, and each
 * subtransaction that is rolled back brings back the one before.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "access.h"
#include "argument.h"
#include "arrays.h"
#include "compat.h"
#include "holders.h"
#include "identity.h"
#include "mode_settings.h"
#include "permissions.h"
#include "top_level.h"
#include "verify.h"

PG_FUNCTION_INFO_V1(identity_authenticate);
PG_FUNCTION_INFO_V1(identity_try_authenticate);
PG_FUNCTION_INFO_V1(identity_assume_key);
PG_FUNCTION_INFO_V1(identity_deauthenticate);
PG_FUNCTION_INFO_V1(identity_key_id);
PG_FUNCTION_INFO_V1(identity_workspace_id);
PG_FUNCTION_INFO_V1(identity_key_kind);
PG_FUNCTION_INFO_V1(identity_key_mode);
PG_FUNCTION_INFO_V1(identity_key_objects);
PG_FUNCTION_INFO_V1(identity_key_allows);
PG_FUNCTION_INFO_V1(identity_require_permission);
PG_FUNCTION_INFO_V1(identity_mode_settings);
PG_FUNCTION_INFO_V1(identity_wait_for_key);

static Identity *current = NULL;

const Identity *
identity_current(void)
{
	return current == NULL || current->none ? NULL : current;
}

static void
drop_current(void)
{
	Identity   *dropped = current;

	current = dropped->before;
	list_free_deep(dropped->permissions);
	list_free_deep(dropped->networks);
	if (dropped->objects != NULL)
		pfree(dropped->objects);
	if (dropped->key_id != NULL)
		pfree(dropped->key_id);
	pfree(dropped);
}

/*
 * Warns as SET LOCAL does.  Only now is it known that no other statement
 * followed: those of a pipeline share the transaction too.
 */
static void
warn_of_its_end(void)
{
	if (identity_current() != NULL &&
		current->only_statement == GetCurrentStatementStartTimestamp())
		ereport(WARNING,
				(errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
				 errmsg("the key's identity ends with the statement that authenticated it"),
				 errhint("Begin a transaction first, or authenticate in a function that goes on to use the identity. To verify a key only, call falukeys.verify_key().")));
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT)
		warn_of_its_end();
	holders_end_transaction(event);
	/* The memory is freed with the transaction's. */
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		current = NULL;
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (current != NULL && current->nest_level >= level)
			drop_current();
		holders_abort_subtransaction();
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		if (current != NULL && current->nest_level >= level)
			current->nest_level = level - 1;
	}
}

static void
watch_transactions(void)
{
	static bool watching = false;

	if (watching)
		return;
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
	watching = true;
}

/* Replaces the identity of this subtransaction, and hides that of an outer one. */
static void
push(Identity *pushed)
{
	pushed->nest_level = GetCurrentTransactionNestLevel();
	while (current != NULL && current->nest_level >= pushed->nest_level)
		drop_current();
	pushed->before = current;
	current = pushed;
}

static Identity *
new_identity(void)
{
	return MemoryContextAllocZero(TopTransactionContext, sizeof(Identity));
}

/* The identity for a valid key.  The secret is the one that was presented. */
static void
describe(StoreReader *reader, const ApiKey *secret, const KeyFacts *facts, void *context)
{
	Identity   *identity = new_identity();
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);

	identity->secret = *secret;
	identity->facts = *facts;
	identity->facts.meta = 0;
	identity->key_id = cstring_to_text(facts->id.text);
	if (facts->permissions_restricted)
		identity->permissions = store_restrictions(reader, STORE_PERMISSIONS, identity->key_id);
	if (facts->networks_restricted)
		identity->networks = store_restrictions(reader, STORE_NETWORKS, identity->key_id);
	if (facts->secret.kind == 't')
		identity->objects = arrays_of_list(store_restrictions(reader, STORE_OBJECTS,
															  identity->key_id), TEXTOID);
	MemoryContextSwitchTo(caller);
	*(Identity **) context = identity;
}

/*
 * From here on there is no identity; rolling back to a savepoint brings the
 * one before back.
 */
static void
leave(void)
{
	Identity   *none;

	if (current == NULL)
		return;
	none = new_identity();
	none->none = true;
	push(none);
}

static void
take(const ApiKey *secret, const VerdictRequest *asked, Verdict *verdict)
{
	VerdictRequest request = *asked;
	Identity   *identity = NULL;
	Holding		holding;

	watch_transactions();
	holders_enter(secret, &holding);
	request.when_valid = describe;
	request.context = &identity;
	verdict_reach(secret, &request, verdict);
	if (verdict->code == VERDICT_VALID)
	{
		holders_stay(&holding, identity->facts.has_parent ? &identity->facts.parent : NULL);
		push(identity);
	}
	else
		holders_leave(&holding);
}

void
identity_take(Datum key, bool null, const VerdictRequest *request, Verdict *verdict)
{
	ApiKey		secret;

	if (verdict_parse(key, null, &secret, verdict))
		take(&secret, request, verdict);
	if (verdict->code != VERDICT_VALID)
		leave();
}

static void
raise_unless_valid(const Verdict *verdict)
{
	if (verdict->code == VERDICT_VALID)
		return;
	if (verdict_is_denial(verdict->code))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the key does not allow this"),
				 errdetail_internal("%s", verdict_code_name(verdict->code))));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("the key is not valid"),
			 errdetail_internal("%s", verdict_code_name(verdict->code))));
}

static Datum
answer(FunctionCallInfo fcinfo, const Verdict *verdict)
{
	if (identity_current() != NULL && !IsTransactionBlock() &&
		(MyXactFlags & XACT_FLAGS_PIPELINING) == 0 && top_level_call(fcinfo))
		current->only_statement = GetCurrentStatementStartTimestamp();
	return verify_verdict_datum(fcinfo, verdict);
}

static void
take_argument(FunctionCallInfo fcinfo, Verdict *verdict)
{
	VerdictRequest request;

	verify_prepare(fcinfo);
	verify_request(fcinfo, &request);
	identity_take(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &request, verdict);
}

/* An address, given one argument too early, would be a permission that every unrestricted key has. */
static void
refuse_address(FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(1))
		permissions_refuse_address(PG_GETARG_TEXT_PP(1));
}

Datum
identity_authenticate(PG_FUNCTION_ARGS)
{
	Verdict		verdict;

	refuse_address(fcinfo);
	take_argument(fcinfo, &verdict);
	raise_unless_valid(&verdict);
	return answer(fcinfo, &verdict);
}

Datum
identity_try_authenticate(PG_FUNCTION_ARGS)
{
	Verdict		verdict;

	take_argument(fcinfo, &verdict);
	return answer(fcinfo, &verdict);
}

/* A handle is no proof of possession, so only roles with the level may call this. */
Datum
identity_assume_key(PG_FUNCTION_ARGS)
{
	VerdictRequest request;
	Verdict		verdict = {.code = VERDICT_MALFORMED};

	refuse_address(fcinfo);
	verify_prepare(fcinfo);
	verify_request(fcinfo, &request);
	if (!PG_ARGISNULL(0))
		take(PG_GETARG_APIKEY_P(0), &request, &verdict);
	raise_unless_valid(&verdict);
	return answer(fcinfo, &verdict);
}

Datum
identity_deauthenticate(PG_FUNCTION_ARGS)
{
	leave();
	PG_RETURN_VOID();
}

/*
 * These return copies, since the identity may end while a query still uses the
 * value.
 */
Datum
identity_key_id(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(identity->facts.id.text));
}

Datum
identity_workspace_id(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(identity->facts.workspace_id.text));
}

Datum
identity_key_kind(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_OID(identity->facts.kind_oid);
}

Datum
identity_key_mode(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_OID(identity->facts.mode_oid);
}

Datum
identity_key_objects(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL || identity->objects == NULL)
		PG_RETURN_NULL();
	return PointerGetDatum(PG_DETOAST_DATUM_COPY(PointerGetDatum(identity->objects)));
}

bool
identity_allows(const Identity *identity, const text *permission)
{
	ListCell   *cell;

	if (identity == NULL || identity->facts.secret.kind == 'p')
		return false;
	if (!identity->facts.permissions_restricted)
		return true;
	foreach(cell, identity->permissions)
	{
		if (verdict_covers(lfirst(cell), permission))
			return true;
	}
	return false;
}

Datum
identity_key_allows(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(identity_allows(identity_current(), PG_GETARG_TEXT_PP(0)));
}

Datum
identity_require_permission(PG_FUNCTION_ARGS)
{
	text	   *permission = argument_text(fcinfo, 0, "permission");

	permissions_refuse_address(permission);
	if (!identity_allows(identity_current(), permission))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission \"%s\" is required", argument_shown(permission)),
				 identity_current() == NULL ?
				 errhint("Authenticate with a key first, in the same transaction.") :
				 errhint("Use a secret key that has it.")));
	PG_RETURN_VOID();
}

/* In what the identity's mode differs from the other one */
Datum
identity_mode_settings(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();
	Datum		settings;

	if (identity == NULL)
		PG_RETURN_NULL();
	settings = mode_settings_of(identity->facts.mode_oid);
	if (settings == 0)
		PG_RETURN_NULL();
	return settings;
}

/* Of now, whatever the transaction's own snapshot sees */
static List *
secrets_to_wait_for(const text *key_id)
{
	KeyFacts	facts;
	StoreReader reader;
	List	   *secrets;

	access_check_key(key_id, ACCESS_DEVELOPER_OR_OPERATOR, &facts);
	store_reader_begin(&reader);
	secrets = store_secrets(&reader, key_id);
	store_reader_end(&reader);
	return secrets;
}

/*
 * Someone may act by any secret that the key has or had, or by a temporary key
 * that it made.  What has been locked to read them is given back first: others
 * who want one of these tables would wait with us, and hold up those that we
 * wait for.
 */
Datum
identity_wait_for_key(PG_FUNCTION_ARGS)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	ResourceOwner owner = CurrentResourceOwner;
	ResourceOwner reading = ResourceOwnerCreate(owner, "falukeys wait_for_key");
	List	   *secrets;
	ListCell   *cell;

	CurrentResourceOwner = reading;
	secrets = secrets_to_wait_for(key_id);
	CurrentResourceOwner = owner;
	ResourceOwnerRelease(reading, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(reading, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(reading, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	ResourceOwnerDelete(reading);

	foreach(cell, secrets)
		holders_wait(lfirst(cell));
	PG_RETURN_VOID();
}
