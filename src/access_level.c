/*
 * access_level.c
 *		What grant_access gives to the platform's own roles.
 *
 * A level is a plain EXECUTE privilege on a function that stands for it, so that
 * pg_dump and DROP OWNED know it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "access_level.h"
#include "argument.h"
#include "catalog.h"
#include "compat.h"
#include "events.h"
#include "spi_owner.h"

PG_FUNCTION_INFO_V1(access_level_marker);
PG_FUNCTION_INFO_V1(access_level_grant);
PG_FUNCTION_INFO_V1(access_level_revoke);

static const char *const level_functions[] = {
	[ACCESS_VERIFIER] = "verifier_access",
	[ACCESS_OPERATOR] = "operator_access",
	[ACCESS_MANAGER] = "manager_access",
	[ACCESS_DELEGATE] = "delegate_access",
};

bool
access_level_has(Oid role, AccessLevel level)
{
	List	   *name;
	Oid			function;

	if (superuser_arg(role))
		return true;
	name = list_make2(makeString((char *) CATALOG_INTERNAL_SCHEMA),
					  makeString((char *) level_functions[level]));
	function = LookupFuncName(name, 0, NULL, false);
	return compat_function_aclcheck(function, role) == ACLCHECK_OK;
}

bool
access_level_is_platform(Oid role)
{
	return access_level_has(role, ACCESS_OPERATOR) || access_level_has(role, ACCESS_MANAGER);
}

void
access_level_check(const char *function, AccessLevel level, AccessLevel or_level)
{
	Oid			role = GetUserId();

	if (access_level_has(role, level) || access_level_has(role, or_level))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for function %s", function),
			 errhint("A superuser can give access to it with falukeys.grant_access().")));
}

/*
 * The functions that stand for the levels do nothing; what counts is EXECUTE
 * on them.
 */
Datum
access_level_marker(PG_FUNCTION_ARGS)
{
	PG_RETURN_VOID();
}

/* What a level may call, besides functions that check their caller themselves */
static const char *const granted_functions[] = {
	[ACCESS_VERIFIER] =
	"falukeys_internal.verifier_access(),"
	" falukeys.verify_key(text, text, inet, text, falukeys.key_mode),"
	" falukeys.key_allows(text, text, inet),"
	" falukeys.handle_allows(falukeys.apikey, text, inet),"
	" falukeys.client_address(text, integer),"
	" falukeys.authenticate(text, text, inet, text, falukeys.key_mode),"
	" falukeys.try_authenticate(text, text, inet, text, falukeys.key_mode),"
	" falukeys.authenticate_request()",
	[ACCESS_OPERATOR] =
	"falukeys_internal.operator_access(),"
	" falukeys.create_workspace(text, regrole),"
	" falukeys.approve_workspace(text),"
	" falukeys.suspend_workspace(text, text),"
	" falukeys.resume_workspace(text),"
	" falukeys.close_workspace(text, text),"
	" falukeys.define_permission(text, text),"
	" falukeys.health(boolean)",
	[ACCESS_MANAGER] =
	"falukeys_internal.manager_access()",
	[ACCESS_DELEGATE] =
	"falukeys_internal.delegate_access(), falukeys.assume_key(falukeys.apikey, text, inet, text, falukeys.key_mode)",
};

const char *
access_level_functions(AccessLevel level)
{
	return granted_functions[level];
}

/* EXECUTE on the functions is not enough. */
void
access_level_check_superuser(const char *function)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to call %s", function)));
}

static AccessLevel
level_of(Oid access)
{
	static const char *const labels[] = {
		[ACCESS_VERIFIER] = "verifier",
		[ACCESS_OPERATOR] = "operator",
		[ACCESS_MANAGER] = "manager",
		[ACCESS_DELEGATE] = "delegate",
	};
	int			level = catalog_label_among(access, labels, lengthof(labels));

	if (level == lengthof(labels))
		ARGUMENT_REFUSE("argument \"%s\" must be verifier, operator, manager or delegate", "access");
	return (AccessLevel) level;
}

static void
change_access(FunctionCallInfo fcinfo, const char *command, const char *preposition, const char *event)
{
	Oid			role = argument_role(fcinfo, 0, "role");
	AccessLevel level;
	SpiOwner	spi;

	argument_require(fcinfo, 1, "access");
	level = level_of(PG_GETARG_OID(1));
	spi_owner_begin(&spi);
	spi_owner_run(psprintf("%s EXECUTE ON FUNCTION %s %s %s", command, granted_functions[level],
						   preposition, quote_identifier(GetUserNameFromId(role, false))),
				  0, NULL);
	EVENTS_RECORD(event, NULL, NULL,
				  {"role", GetUserNameFromId(role, false)},
				  {"access", catalog_enum_label(PG_GETARG_OID(1))});
	spi_owner_end(&spi);
}

Datum
access_level_grant(PG_FUNCTION_ARGS)
{
	access_level_check_superuser("grant_access");
	change_access(fcinfo, "GRANT", "TO", "access.granted");
	PG_RETURN_VOID();
}

Datum
access_level_revoke(PG_FUNCTION_ARGS)
{
	access_level_check_superuser("revoke_access");
	change_access(fcinfo, "REVOKE", "FROM", "access.revoked");
	PG_RETURN_VOID();
}
