/*
 * access.c
 *		Who may do what.
 *
 * The role that counts is current_user, and it counts as another where it has
 * that one's privileges.
 */
#include "postgres.h"

#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/syscache.h"

#include "access.h"
#include "acting_in.h"
#include "argument.h"
#include "arrays.h"
#include "spi_owner.h"

PG_FUNCTION_INFO_V1(access_sees_every);
PG_FUNCTION_INFO_V1(access_acting_workspace);
PG_FUNCTION_INFO_V1(access_sees_a_workspace);
PG_FUNCTION_INFO_V1(access_sees_key_changes);
PG_FUNCTION_INFO_V1(access_key_changes_workspace);

bool
access_sees_every_key_change(Oid role)
{
	return access_level_has(role, ACCESS_VERIFIER) || access_level_is_platform(role);
}

/*
 * The roles whose privileges a role has, itself first.  What is looked up by
 * them is found or not, but never someone else's.
 */
static List *
roles_with_privileges_of(Oid role)
{
	List	   *roles = list_make1_oid(role);
	ListCell   *cell;

	if (has_privs_of_role(role, ROLE_PG_DATABASE_OWNER))
		roles = list_append_unique_oid(roles, ROLE_PG_DATABASE_OWNER);
	/* The list grows during the loop. */
	foreach(cell, roles)
	{
		CatCList   *grants = SearchSysCacheList1(AUTHMEMMEMROLE,
												 ObjectIdGetDatum(lfirst_oid(cell)));

		for (int i = 0; i < grants->n_members; i++)
		{
			HeapTuple	grant = &grants->members[i]->tuple;
			Oid			granted = ((Form_pg_auth_members) GETSTRUCT(grant))->roleid;

			if (has_privs_of_role(role, granted))
				roles = list_append_unique_oid(roles, granted);
		}
		ReleaseSysCacheList(grants);
	}
	return roles;
}

static bool
is_enough(Oid member_role, AccessNeed need)
{
	WorkspaceRole role = catalog_workspace_role(member_role);

	if (need == ACCESS_MEMBER)
		return role != WORKSPACE_NO_ROLE;
	return role == WORKSPACE_ADMINISTRATOR ||
		(role == WORKSPACE_DEVELOPER &&
		 (need == ACCESS_DEVELOPER || need == ACCESS_DEVELOPER_OR_OPERATOR));
}

static bool
is_member(StoreReader *reader, const text *workspace, Oid role, AccessNeed need)
{
	ListCell   *cell;
	bool		found = false;
	bool		null;

	foreach(cell, roles_with_privileges_of(role))
	{
		StoreScan	scan;

		store_scan_pair_begin(&scan, reader, CATALOG_MEMBERS, CATALOG_MEMBERS_BY_MEMBER,
							  AccessShareLock, ObjectIdGetDatum(lfirst_oid(cell)),
							  PointerGetDatum(workspace));
		if (store_scan_next(&scan))
			found |= is_enough(DatumGetObjectId(store_scan_value(&scan, MEMBERS_ROLE, &null)), need);
		store_scan_end(&scan);
	}
	return found;
}

static int
compare_texts(const ListCell *a, const ListCell *b)
{
	return DatumGetInt32(DirectFunctionCall2Coll(bttextcmp, C_COLLATION_OID,
												 PointerGetDatum(lfirst(a)),
												 PointerGetDatum(lfirst(b))));
}

static List *
without_doubles(List *texts)
{
	List	   *once = NIL;

	list_sort(texts, compare_texts);
	for (int i = 0; i < list_length(texts); i++)
	{
		if (i == 0 || compare_texts(list_nth_cell(texts, i - 1), list_nth_cell(texts, i)) != 0)
			once = lappend(once, list_nth(texts, i));
	}
	return once;
}

/* The ids of the workspaces that a role is a member of and may act in, each once */
static List *
workspaces_of(StoreReader *reader, Oid role, AccessNeed need)
{
	List	   *workspaces = NIL;
	ListCell   *cell;
	bool		null;

	foreach(cell, roles_with_privileges_of(role))
	{
		StoreScan	scan;

		store_scan_begin(&scan, reader, CATALOG_MEMBERS, CATALOG_MEMBERS_BY_MEMBER,
						 AccessShareLock, ObjectIdGetDatum(lfirst_oid(cell)));
		while (store_scan_next(&scan))
		{
			text	   *workspace = DatumGetTextPCopy(store_scan_value(&scan, MEMBERS_WORKSPACE_ID, &null));

			if (!acting_in_excludes(workspace) &&
				is_enough(DatumGetObjectId(store_scan_value(&scan, MEMBERS_ROLE, &null)), need))
				workspaces = lappend(workspaces, workspace);
		}
		store_scan_end(&scan);
	}
	return without_doubles(workspaces);
}

static bool
is_enough_for_operators(AccessNeed need)
{
	return need == ACCESS_DEVELOPER_OR_OPERATOR || need == ACCESS_ADMINISTRATOR_OR_OPERATOR;
}

static bool
is_allowed_in_workspace(StoreReader *reader, const text *workspace, Oid role, AccessNeed need)
{
	return access_level_has(role, ACCESS_MANAGER) ||
		(is_enough_for_operators(need) && access_level_has(role, ACCESS_OPERATOR)) ||
		is_member(reader, workspace, role, need);
}

/*
 * A key of a workspace that the role is a member of.  It is not looked up by
 * its id alone: which pages that reads would tell a foreign key from a missing
 * one.
 */
static bool
own_key(StoreReader *reader, const text *key_id, Oid role, AccessNeed need, KeyFacts *facts)
{
	ListCell   *cell;

	foreach(cell, workspaces_of(reader, role, need))
	{
		if (store_key_in_workspace(reader, lfirst(cell), key_id, facts))
			return true;
	}
	return false;
}

/*
 * For roles that see every workspace: looks only in the one that the session
 * acts in, if any
 */
static bool
any_key(StoreReader *reader, const text *key_id, KeyFacts *facts)
{
	text	   *workspace = acting_in_workspace();

	if (!acting_in_is_set())
		return store_key_by_id(reader, key_id, facts);
	return workspace != NULL && store_key_in_workspace(reader, workspace, key_id, facts);
}

/* Nothing was read, so the answer is the same whether it exists or not. */
static void
deny_narrowed_key(const text *id)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for key \"%s\"", argument_shown(id)),
			 acting_in_hint()));
}

static void
deny_narrowed_workspace(const text *id)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for workspace \"%s\"", argument_shown(id)),
			 acting_in_hint()));
}

/* The same words for what is forbidden and for what does not exist. */
static void
deny_key(const text *id, Oid role)
{
	if (access_level_is_platform(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("key \"%s\" does not exist", argument_shown(id)),
				 errhint("The ids of all keys are in falukeys.dashboard.")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for key \"%s\"", argument_shown(id)),
			 errhint("Ask an administrator of the workspace to be added to it as a developer.")));
}

static void
deny_workspace(const text *id, Oid role, AccessNeed need)
{
	if (access_level_is_platform(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("workspace \"%s\" does not exist", argument_shown(id)),
				 errhint("The ids of all workspaces are in falukeys.workspace_list.")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for workspace \"%s\"", argument_shown(id)),
			 need == ACCESS_ADMINISTRATOR ?
			 errhint("An administrator of the workspace, or a manager, can do this.") :
			 need == ACCESS_ADMINISTRATOR_OR_OPERATOR ?
			 errhint("An administrator of the workspace, an operator or a manager can do this.") :
			 errhint("Ask an administrator of the workspace to be added to it as a developer.")));
}

/* Only operators see what they may not change. */
static void
deny_operator_key(const text *id)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for key \"%s\"", argument_shown(id)),
			 errdetail("Operators disable and revoke keys, but never reveal, roll or change them."),
			 errhint("A developer or administrator of the workspace, or a manager, can do this.")));
}

static void
deny_operator_workspace(const text *id, AccessNeed need)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for workspace \"%s\"", argument_shown(id)),
			 need == ACCESS_ADMINISTRATOR ?
			 errdetail("Operators never add or remove members.") :
			 errdetail("Operators never create or import keys."),
			 need == ACCESS_ADMINISTRATOR ?
			 errhint("An administrator of the workspace, or a manager, can do this.") :
			 errhint("A developer or administrator of the workspace, or a manager, can do this.")));
}

bool
access_allows_workspace(const text *workspace, AccessNeed need)
{
	StoreReader reader;
	bool		allowed;

	if (acting_in_excludes(workspace))
		return false;
	store_reader_begin(&reader);
	allowed = is_allowed_in_workspace(&reader, workspace, GetUserId(), need);
	store_reader_end(&reader);
	return allowed;
}

void
access_check_acting_in(const text *workspace)
{
	if (acting_in_excludes(workspace))
		deny_narrowed_workspace(workspace);
}

void
access_check_platform(const char *function)
{
	if (acting_in_is_set())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", function),
				 acting_in_hint()));
}

void
access_check_workspace(const text *workspace, AccessNeed need, WorkspaceFacts *facts)
{
	Oid			role = GetUserId();
	bool		sees_all = access_level_is_platform(role);
	StoreReader reader;
	WorkspaceFacts found;
	bool		exists = false;
	bool		allowed;

	access_check_acting_in(workspace);
	store_reader_begin(&reader);
	allowed = is_allowed_in_workspace(&reader, workspace, role, need);
	/* Nothing is read of someone else's workspace, nor of a missing one. */
	if (allowed || sees_all)
		exists = store_workspace(&reader, workspace, &found);
	store_reader_end(&reader);

	if (allowed && exists)
	{
		if (facts != NULL)
			*facts = found;
		return;
	}
	if (exists)
		deny_operator_workspace(workspace, need);
	deny_workspace(workspace, role, need);
}

bool
access_sees_key(const text *key_id)
{
	Oid			role = GetUserId();
	StoreReader reader;
	KeyFacts	facts;
	bool		sees_all = access_level_is_platform(role);
	bool		sees;

	if (sees_all && !acting_in_is_set())
		return true;
	store_reader_begin(&reader);
	sees = sees_all ? any_key(&reader, key_id, &facts) :
		own_key(&reader, key_id, role, ACCESS_DEVELOPER, &facts);
	store_reader_end(&reader);
	return sees;
}

void
access_check_key(const text *key_id, AccessNeed need, KeyFacts *facts)
{
	Oid			role = GetUserId();
	bool		sees_all = access_level_is_platform(role);
	StoreReader reader;
	bool		exists;
	bool		allowed;

	store_reader_begin(&reader);
	if (sees_all)
	{
		exists = any_key(&reader, key_id, facts);
		allowed = exists &&
			is_allowed_in_workspace(&reader, cstring_to_text(facts->workspace_id.text), role, need);
	}
	else
		exists = allowed = own_key(&reader, key_id, role, need, facts);
	store_reader_end(&reader);

	if (allowed)
		return;
	if (exists)
		deny_operator_key(key_id);
	if (acting_in_is_set())
		deny_narrowed_key(key_id);
	deny_key(key_id, role);
}

ArrayType *
access_own_workspaces(AccessNeed need)
{
	Oid			role = GetUserId();
	StoreReader reader;
	List	   *workspaces;

	if (access_level_is_platform(role))
		return construct_empty_array(TEXTOID);
	store_reader_begin(&reader);
	workspaces = workspaces_of(&reader, role, need);
	store_reader_end(&reader);
	return arrays_of_list(workspaces, TEXTOID);
}

/*
 * For the views, which have one branch for roles that see every workspace, and
 * another where such a role acts in one.
 */
Datum
access_sees_every(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!acting_in_is_set() && access_level_is_platform(GetUserId()));
}

/* The workspace that a role acts in, if it would see all without it */
static Datum
narrowed_to(FunctionCallInfo fcinfo, bool sees_all)
{
	text	   *workspace = acting_in_workspace();

	if (workspace == NULL || !sees_all)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(workspace);
}

Datum
access_acting_workspace(PG_FUNCTION_ARGS)
{
	return narrowed_to(fcinfo, access_level_is_platform(GetUserId()));
}

bool
access_sees_permissions(Oid role)
{
	text	   *workspace = acting_in_workspace();
	StoreReader reader;
	WorkspaceFacts facts;
	bool		sees_all = access_level_is_platform(role);
	bool		sees;

	if (sees_all && !acting_in_is_set())
		return true;
	store_reader_begin(&reader);
	if (sees_all)
		sees = workspace != NULL && store_workspace(&reader, workspace, &facts);
	else
		sees = workspaces_of(&reader, role, ACCESS_MEMBER) != NIL;
	store_reader_end(&reader);
	return sees;
}

Datum
access_sees_a_workspace(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(access_sees_permissions(GetUserId()));
}

Datum
access_sees_key_changes(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!acting_in_is_set() && access_sees_every_key_change(GetUserId()));
}

Datum
access_key_changes_workspace(PG_FUNCTION_ARGS)
{
	return narrowed_to(fcinfo, access_sees_every_key_change(GetUserId()));
}

void
access_deny_key(const text *key_id)
{
	if (acting_in_is_set())
		deny_narrowed_key(key_id);
	deny_key(key_id, spi_owner_actor());
	pg_unreachable();
}

void
access_check_administrator(Oid administrator)
{
	Oid			role = GetUserId();
	Oid			session = GetSessionUserId();

	if (access_level_has(role, ACCESS_MANAGER))
		return;
	/* This includes the roles of whoever became the operator by SET ROLE. */
	if (!is_member_of_role(role, administrator) &&
		!(is_member_of_role_nosuper(session, role) &&
		  is_member_of_role_nosuper(session, administrator)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("an operator cannot name itself, or a role that it is a member of, as administrator"),
			 errhint("Name a role of the workspace's owner, or none.")));
}
