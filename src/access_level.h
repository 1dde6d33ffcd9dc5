/*
 * access_level.h
 *		What grant_access gives to the platform's own roles.
 */
#ifndef FALUKEYS_ACCESS_LEVEL_H
#define FALUKEYS_ACCESS_LEVEL_H

#include "postgres.h"

/* What grant_access gives; each is EXECUTE on a function of its own. */
typedef enum AccessLevel
{
	ACCESS_VERIFIER,
	ACCESS_OPERATOR,
	ACCESS_MANAGER,
	ACCESS_DELEGATE
} AccessLevel;

/* Superusers have every level. */
extern bool access_level_has(Oid role, AccessLevel level);

/* An operator or a manager: sees every workspace, and may be told that one does not exist. */
extern bool access_level_is_platform(Oid role);

/* Raise unless current_user is a superuser, or has one of the levels. */
extern void access_level_check_superuser(const char *function);
extern void access_level_check(const char *function, AccessLevel level, AccessLevel or_level);

/* What a level may call, as GRANT takes it: first the function that is the level itself */
extern const char *access_level_functions(AccessLevel level);

#endif							/* FALUKEYS_ACCESS_LEVEL_H */
