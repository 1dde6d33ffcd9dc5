/*
 * access.c
 *		Who may do what.
 *
 * Rules floor: calls store, statement and catalog.  The role that counts is current_user,
 * and it counts as another where it has that one's privileges.  The levels of
 * grant_access are plain EXECUTE privileges, so that pg_dump and DROP OWNED
 * know them.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "access.h"
#include "argument.h"
#include "compat.h"
#include "statement.h"

static const char *const level_functions[] = {
	[ACCESS_VERIFIER] = "verifier_access",
	[ACCESS_OPERATOR] = "operator_access",
	[ACCESS_MANAGER] = "manager_access",
};

PG_FUNCTION_INFO_V1(access_level_marker);
PG_FUNCTION_INFO_V1(access_grant);
PG_FUNCTION_INFO_V1(access_revoke);

bool
access_has_level(Oid role, AccessLevel level)
{
	List	   *name;
	Oid			function;

	if (superuser_arg(role))
		return true;
	name = list_make2(makeString((char *) CATALOG_SCHEMA),
					  makeString((char *) level_functions[level]));
	function = LookupFuncName(name, 0, NULL, false);
	return compat_function_aclcheck(function, role) == ACLCHECK_OK;
}

/* Someone who sees every workspace may be told that one does not exist. */
static bool
sees_every_workspace(Oid role)
{
	return access_has_level(role, ACCESS_OPERATOR) || access_has_level(role, ACCESS_MANAGER);
}

static bool
is_allowed_in_workspace(StoreReader *reader, const text *workspace, Oid role, AccessNeed need)
{
	StoreScan	scan;
	bool		allowed;

	if (access_has_level(role, ACCESS_MANAGER) ||
		(need == ACCESS_DEVELOPER_OR_OPERATOR && access_has_level(role, ACCESS_OPERATOR)))
		return true;

	allowed = false;
	store_scan_begin(&scan, reader, CATALOG_MEMBERS, CATALOG_MEMBERS_BY_WORKSPACE,
					 AccessShareLock, PointerGetDatum(workspace));
	while (!allowed && store_scan_next(&scan))
	{
		bool		null;
		Oid			member = DatumGetObjectId(store_scan_value(&scan, MEMBERS_MEMBER, &null));
		Oid			as = DatumGetObjectId(store_scan_value(&scan, MEMBERS_ROLE, &null));
		char		first = catalog_enum_label(as)[0];

		allowed = has_privs_of_role(role, member) &&
			(first == 'a' || (first == 'd' && need != ACCESS_ADMINISTRATOR));
	}
	store_scan_end(&scan);
	return allowed;
}

/* The same words for what is forbidden and for what does not exist. */
static void
deny(const char *what, const text *id, Oid role)
{
	if (sees_every_workspace(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("%s \"%s\" does not exist", what, argument_shown(id))));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for %s \"%s\"", what, argument_shown(id)),
			 errhint("Ask an administrator of the workspace to be added to it as a developer.")));
}

bool
access_allows_workspace(const text *workspace, AccessNeed need)
{
	StoreReader reader;
	bool		allowed;

	store_reader_begin(&reader);
	allowed = is_allowed_in_workspace(&reader, workspace, GetUserId(), need);
	store_reader_end(&reader);
	return allowed;
}

void
access_check_level(const char *function, AccessLevel level, AccessLevel or_level)
{
	Oid			role = GetUserId();

	if (access_has_level(role, level) || access_has_level(role, or_level))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for function %s", function),
			 errhint("A superuser can give access to it with falukeys.grant_access().")));
}

void
access_check_workspace(const text *workspace, AccessNeed need)
{
	Oid			role = GetUserId();
	StoreReader reader;
	bool		exists;
	bool		allowed;

	store_reader_begin(&reader);
	allowed = is_allowed_in_workspace(&reader, workspace, role, need);
	(void) store_workspace_was_approved(&reader, workspace, &exists);
	store_reader_end(&reader);

	if (allowed && exists)
		return;
	if (exists && sees_every_workspace(role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for workspace \"%s\"", argument_shown(workspace))));
	deny("workspace", workspace, role);
}

bool
access_sees_key(const text *key_id)
{
	Oid			role = GetUserId();
	StoreReader reader;
	KeyFacts	facts;
	bool		sees;

	if (sees_every_workspace(role))
		return true;
	store_reader_begin(&reader);
	sees = store_key_by_id(&reader, key_id, &facts) &&
		is_allowed_in_workspace(&reader, cstring_to_text(facts.workspace_id.text),
								role, ACCESS_DEVELOPER);
	store_reader_end(&reader);
	return sees;
}

void
access_check_key(const text *key_id, AccessNeed need, KeyFacts *facts)
{
	Oid			role = GetUserId();
	StoreReader reader;
	bool		exists;
	bool		allowed = false;

	store_reader_begin(&reader);
	exists = store_key_by_id(&reader, key_id, facts);
	if (exists)
		allowed = is_allowed_in_workspace(&reader, cstring_to_text(facts->workspace_id.text),
										  role, need);
	store_reader_end(&reader);

	if (allowed)
		return;
	if (exists && sees_every_workspace(role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for key \"%s\"", argument_shown(key_id))));
	deny("key", key_id, role);
}

void
access_deny_key(const text *key_id)
{
	deny("key", key_id, statement_actor());
	pg_unreachable();
}

void
access_check_administrator(Oid administrator)
{
	Oid			role = GetUserId();
	Oid			session = GetSessionUserId();

	if (access_has_level(role, ACCESS_MANAGER))
		return;
	/* Nor one that whoever became the operator by SET ROLE could act as. */
	if (!is_member_of_role(role, administrator) &&
		!(is_member_of_role_nosuper(session, role) &&
		  is_member_of_role_nosuper(session, administrator)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("an operator cannot name itself, or a role that it is a member of, as administrator"),
			 errhint("Name a role of the workspace's owner, or none.")));
}

/* The functions that stand for the levels do nothing: being allowed to call them is all. */
Datum
access_level_marker(PG_FUNCTION_ARGS)
{
	PG_RETURN_VOID();
}

/* What a level may call, beside what checks its caller by itself */
static const char *const granted_functions[] = {
	[ACCESS_VERIFIER] =
	"falukeys.verifier_access(),"
	" falukeys.verify_key(text, text, inet, text, falukeys.key_mode),"
	" falukeys.key_allows(text, text, inet),"
	" falukeys.handle_allows(falukeys.apikey, text, inet),"
	" falukeys.authenticate(text, text, inet, text, falukeys.key_mode),"
	" falukeys.authenticate_request()",
	[ACCESS_OPERATOR] =
	"falukeys.operator_access(),"
	" falukeys.create_workspace(text, regrole),"
	" falukeys.approve_workspace(text),"
	" falukeys.suspend_workspace(text, text),"
	" falukeys.resume_workspace(text),"
	" falukeys.close_workspace(text, text),"
	" falukeys.define_permission(text, text)",
	[ACCESS_MANAGER] =
	"falukeys.manager_access()",
};

/* An EXECUTE that someone was granted on the functions does not suffice. */
static void
check_superuser(const char *function)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to call %s", function)));
}

static void
change_access(FunctionCallInfo fcinfo, const char *command, const char *preposition)
{
	Oid			role = argument_role(fcinfo, 0, "role");
	AccessLevel level;
	Statement	statement;

	argument_require(fcinfo, 1, "access");
	switch (catalog_enum_label(PG_GETARG_OID(1))[0])
	{
		case 'v':
			level = ACCESS_VERIFIER;
			break;
		case 'o':
			level = ACCESS_OPERATOR;
			break;
		default:
			level = ACCESS_MANAGER;
	}
	statement_begin(&statement);
	statement_run(psprintf("%s EXECUTE ON FUNCTION %s %s %s", command, granted_functions[level],
						   preposition, quote_identifier(GetUserNameFromId(role, false))),
				  0, NULL);
	statement_end(&statement);
}

Datum
access_grant(PG_FUNCTION_ARGS)
{
	check_superuser("grant_access");
	change_access(fcinfo, "GRANT", "TO");
	PG_RETURN_VOID();
}

Datum
access_revoke(PG_FUNCTION_ARGS)
{
	check_superuser("revoke_access");
	change_access(fcinfo, "REVOKE", "FROM");
	PG_RETURN_VOID();
}
