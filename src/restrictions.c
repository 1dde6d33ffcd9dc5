/*
 * restrictions.c
 *		What a key is restricted to, and the catalog of permissions.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "access.h"
#include "argument.h"
#include "events.h"
#include "guards.h"
#include "permissions.h"
#include "precedence.h"
#include "registration.h"
#include "spi_owner.h"

PG_FUNCTION_INFO_V1(restrictions_define_permission);
PG_FUNCTION_INFO_V1(restrictions_restrict_key);
PG_FUNCTION_INFO_V1(restrictions_clear_permissions);
PG_FUNCTION_INFO_V1(restrictions_clear_networks);

Datum
restrictions_define_permission(PG_FUNCTION_ARGS)
{
	text	   *name = argument_text(fcinfo, 0, "name");
	text	   *description = argument_stored_text(fcinfo, 1, "description");
	SpiOwner	spi;

	access_check_platform("define_permission");
	argument_check_length("name", name, ARGUMENT_MAX_NAME);
	if (!permissions_is_name(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be lower-case words joined by dots, such as messages.read", "name"),
				 permissions_is_address(name) ?
				 errhint("An address is not a permission; falukeys.restrict_key() takes networks as its third argument.") : 0));

	spi_owner_begin(&spi);
	SPI_OWNER_RUN("INSERT INTO falukeys.permissions AS p (name, description) VALUES ($1, $2)"
				  " ON CONFLICT (name) DO UPDATE SET description = excluded.description"
				  " WHERE excluded.description IS NOT NULL"
				  " AND p.description IS DISTINCT FROM excluded.description",
				  parameter_text(name), parameter_text(description));
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}

/* For an event: the elements, not quoted; NULL for none */
static const char *
array_shown(ArrayType *array, Oid element)
{
	Datum	   *values;
	int			count;
	StringInfoData shown;
	Oid			output;
	bool		varlena;

	if (array == NULL)
		return NULL;
	initStringInfo(&shown);
	getTypeOutputInfo(element, &output, &varlena);
	deconstruct_array(array, element, -1, false, 'i', &values, NULL, &count);
	for (int i = 0; i < count; i++)
		appendStringInfo(&shown, "%s%s", i == 0 ? "" : ", ",
						 OidOutputFunctionCall(output, values[i]));
	return shown.data;
}

Datum
restrictions_restrict_key(PG_FUNCTION_ARGS)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	ArrayType  *permissions = argument_stored_array(fcinfo, 1, "permissions");
	ArrayType  *networks = argument_stored_array(fcinfo, 2, "networks");
	KeyFacts	facts;
	SpiOwner	spi;

	store_lock_for_writing();
	access_check_key(key_id, ACCESS_DEVELOPER, &facts);
	if (permissions == NULL && networks == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments \"%s\" and \"%s\" must not both be null", "permissions", "networks"),
				 errhint("Call falukeys.clear_permissions() or falukeys.clear_networks() to take a restriction away.")));
	registration_check_restrictions(permissions, networks, facts.secret.kind);

	spi_owner_begin(&spi);
	/* The row of the key first: others who restrict the key wait for it. */
	precedence_lock_key(PRECEDENCE_KEY, key_id, NULL);
	GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD,
						 "UPDATE falukeys.keys SET permissions_restricted = permissions_restricted OR $2,"
						 " networks_restricted = networks_restricted OR $3 WHERE id = $1",
						 parameter_text(key_id),
						 parameter_boolean(permissions != NULL),
						 parameter_boolean(networks != NULL));
	if (permissions != NULL)
		registration_set_permissions(key_id, permissions);
	if (networks != NULL)
		registration_set_networks(key_id, networks);
	EVENTS_RECORD("key.restricted", cstring_to_text(facts.workspace_id.text), key_id,
				  {"permissions", array_shown(permissions, TEXTOID)},
				  {"networks", array_shown(networks, CIDROID)});
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}

static void
clear(FunctionCallInfo fcinfo, const char *update, const char *delete, const char *what)
{
	text	   *key_id = argument_key_id(fcinfo, 0);
	KeyFacts	facts;
	SpiOwner	spi;

	store_lock_for_writing();
	access_check_key(key_id, ACCESS_DEVELOPER, &facts);
	if (facts.secret.kind == 't')
		GUARDS_REFUSE("a temporary key keeps its restrictions", "Create another one.");
	spi_owner_begin(&spi);
	precedence_lock_key(PRECEDENCE_KEY, key_id, NULL);
	if (GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD, update, parameter_text(key_id)) > 0)
	{
		GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD, delete, parameter_text(key_id));
		EVENTS_RECORD("key.restricted", cstring_to_text(facts.workspace_id.text), key_id,
					  {"cleared", what});
	}
	spi_owner_end(&spi);
}

Datum
restrictions_clear_permissions(PG_FUNCTION_ARGS)
{
	clear(fcinfo,
		  "UPDATE falukeys.keys SET permissions_restricted = false WHERE id = $1 AND permissions_restricted",
		  "DELETE FROM falukeys.key_permissions WHERE key_id = $1",
		  "permissions");
	PG_RETURN_VOID();
}

Datum
restrictions_clear_networks(PG_FUNCTION_ARGS)
{
	clear(fcinfo,
		  "UPDATE falukeys.keys SET networks_restricted = false WHERE id = $1 AND networks_restricted",
		  "DELETE FROM falukeys.key_networks WHERE key_id = $1",
		  "networks");
	PG_RETURN_VOID();
}
