/*
 * access.h
 *		Who may do what.
 */
#ifndef FALUKEYS_ACCESS_H
#define FALUKEYS_ACCESS_H

#include "postgres.h"

#include "utils/array.h"

#include "access_level.h"
#include "compat.h"
#include "store.h"

/* What a caller must be in a workspace.  Managers and superusers may do all of it. */
typedef enum AccessNeed
{
	ACCESS_MEMBER,
	ACCESS_DEVELOPER,
	ACCESS_DEVELOPER_OR_OPERATOR,
	ACCESS_ADMINISTRATOR,
	ACCESS_ADMINISTRATOR_OR_OPERATOR
} AccessNeed;

/* Someone who verifies may be told which keys were changed, as one who sees every workspace. */
extern bool access_sees_every_key_change(Oid role);

/*
 * As a text[], the workspaces in which current_user has what it needs as a
 * member; none for roles that see every workspace.
 */
extern ArrayType *access_own_workspaces(AccessNeed need);

/* Does current_user have what it needs in a workspace, which may not exist? */
extern bool access_allows_workspace(const text *workspace, AccessNeed need);

/* Permissions are seen by whoever may see a workspace. */
extern bool access_sees_permissions(Oid role);

/* May current_user see the key, which may not exist? */
extern bool access_sees_key(const text *key_id);

/*
 * Raise where falukeys.acting_in excludes the workspace; or, for functions
 * that concern every workspace, where it is set at all.  The functions below
 * that check a workspace or a key do this themselves.
 */
extern void access_check_acting_in(const text *workspace);
extern void access_check_platform(const char *function);

/*
 * Raise unless current_user has what it needs, without telling whether
 * something of others exists. facts may be NULL.
 */
extern void access_check_workspace(const text *workspace, AccessNeed need, WorkspaceFacts *facts);
extern void access_check_key(const text *key_id, AccessNeed need, KeyFacts *facts);

/*
 * For a key that was purged after it was checked: the same error as for one
 * that never existed
 */
pg_noreturn extern void access_deny_key(const text *key_id);

/* Raises where an operator names an administrator that it could act as. */
extern void access_check_administrator(Oid administrator);

#endif							/* FALUKEYS_ACCESS_H */
