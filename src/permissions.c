/*
 * permissions.c
 *		The names of permissions, and those that are defined.
 *
 * A name that is not defined may be a mistyped one.  Which are defined is told
 * only to whoever may see a workspace.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "access.h"
#include "apikey.h"
#include "argument.h"
#include "permissions.h"
#include "spi_owner.h"

/* A nearer name is what was meant; as the server has it for columns */
#define MAX_DISTANCE		3
#define MAX_COMPARED_LENGTH	255		/* of what the server compares, in bytes */
#define MAX_ADDRESS_LENGTH	64

static bool
is_word_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The same rule as the CHECK of the table */
bool
permissions_is_name(const text *name)
{
	const char *characters = VARDATA_ANY(name);
	int			length = VARSIZE_ANY_EXHDR(name);
	bool		word_starts = true;

	for (int i = 0; i < length; i++)
	{
		char		c = characters[i];

		if (word_starts ? !(c >= 'a' && c <= 'z') : !(is_word_character(c) || c == '.'))
			return false;
		word_starts = c == '.';
	}
	return !word_starts;
}

/* No name has a colon, or begins with a digit. */
bool
permissions_is_address(const text *name)
{
	const char *characters = VARDATA_ANY(name);
	int			length = VARSIZE_ANY_EXHDR(name);
	bool		dots = false;
	bool		colons = false;

	if (length > MAX_ADDRESS_LENGTH)
		return false;
	for (int i = 0; i < length; i++)
	{
		char		c = characters[i];

		if (strchr("0123456789abcdefABCDEF.:/", c) == NULL || c == '\0')
			return false;
		dots |= c == '.';
		colons |= c == ':';
	}
	return colons || (dots && characters[0] >= '0' && characters[0] <= '9');
}

void
permissions_refuse_address(const text *permission)
{
	if (permissions_is_address(permission))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a permission, not an address", "permission"),
				 errhint("The client's address is the argument after it.")));
}

/* The defined name that is nearest to one that is not, or NULL where none is near */
static text *
nearest(const text *name)
{
	int			length = VARSIZE_ANY_EXHDR(name);
	int			limit = Min(MAX_DISTANCE, length / 2);
	uint64		count;
	text	   *found = NULL;

	if (length > MAX_COMPARED_LENGTH)
		return NULL;
	count = SPI_OWNER_RUN("SELECT name FROM falukeys.permissions WHERE length(name) BETWEEN $1 AND $2"
						  " ORDER BY name COLLATE \"C\"",
						  (Parameter) {INT4OID, Int32GetDatum(length / 2), false},
						  (Parameter) {INT4OID, Int32GetDatum(length + MAX_DISTANCE), false});
	for (uint64 i = 0; i < count; i++)
	{
		bool		null;
		text	   *defined = DatumGetTextPP(SPI_getbinval(SPI_tuptable->vals[i],
														   SPI_tuptable->tupdesc, 1, &null));
		int			distance;

		CHECK_FOR_INTERRUPTS();
		if (VARSIZE_ANY_EXHDR(defined) > MAX_COMPARED_LENGTH)
			continue;
		distance = varstr_levenshtein_less_equal(VARDATA_ANY(name), length, VARDATA_ANY(defined),
												 VARSIZE_ANY_EXHDR(defined), 1, 1, 1, limit, true);
		if (distance > limit)
			continue;
		found = defined;
		limit = distance - 1;
	}
	return found;
}

static void
refuse(const char *argument, const text *name)
{
	text	   *meant = access_sees_permissions(spi_owner_actor()) ? nearest(name) : NULL;

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" must name defined permissions only", argument),
			 errdetail("\"%s\" is not defined.", argument_shown(name)),
			 permissions_is_address(name) ?
			 errhint("An address is not a permission; networks are the argument after the permissions.") :
			 meant != NULL ?
			 errhint("Perhaps you meant \"%s\". Operators and superusers define permissions, with falukeys.define_permission().",
					 text_to_cstring(apikey_redact_text(meant))) :
			 errhint("Operators and superusers define permissions, with falukeys.define_permission().")));
}

/* The catalog is small, and naming the unknown permission is worth a query. */
void
permissions_check(const char *argument, ArrayType *names)
{
	bool		null;

	if (SPI_OWNER_RUN("SELECT asked FROM unnest($1) AS asked"
					  " WHERE asked NOT IN (SELECT name FROM falukeys.permissions) LIMIT 1",
					  (Parameter) {TEXTARRAYOID, PointerGetDatum(names), false}) > 0)
		refuse(argument, DatumGetTextPP(spi_owner_result(1, &null)));
}
