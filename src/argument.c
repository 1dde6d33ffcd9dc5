/*
 * argument.c
 *		Arguments of SQL functions: refused by name, shown without key text.
 *
 * Ground floor: calls apikey.  Our functions are not STRICT: a NULL where one
 * is needed would otherwise pass in silence.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "apikey.h"
#include "argument.h"

#define SHOWN_LENGTH	64

const char *
argument_shown(const text *value)
{
	char	   *shown = text_to_cstring(apikey_redact_text(unconstify(text *, value)));
	size_t		length = strlen(shown);

	if (length > SHOWN_LENGTH)
		shown[pg_mbcliplen(shown, (int) length, SHOWN_LENGTH)] = '\0';
	return shown;
}

void
argument_refuse(const char *name, const char *allowed)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" must be %s", name, allowed)));
	pg_unreachable();
}

void
argument_require(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be null", name)));
}

text *
argument_text(FunctionCallInfo fcinfo, int number, const char *name)
{
	argument_require(fcinfo, number, name);
	return PG_GETARG_TEXT_PP(number);
}

text *
argument_stored_text(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : apikey_redact_text(PG_GETARG_TEXT_PP(number));
}

/* A regrole takes any number; one that is no role would match a future one. */
Oid
argument_role(FunctionCallInfo fcinfo, int number, const char *name)
{
	Oid			role;

	argument_require(fcinfo, number, name);
	role = PG_GETARG_OID(number);
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		argument_refuse(name, "an existing role");
	return role;
}
