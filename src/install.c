/*
 * install.c
 *		What the install script asks for: a schema that is ours alone, and objects
 *		on which nobody but their owner has a privilege.
 *
 * Calls statement.  These functions are dropped when the script ends.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(install_assert_schema_is_ours);
PG_FUNCTION_INFO_V1(install_take_privileges);

static Parameter
parameter_oid(Oid value)
{
	return (Parameter) {OIDOID, ObjectIdGetDatum(value), false};
}

static void
check_owner(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);

	if (owner != GetUserId() && !superuser_arg(owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("schema \"%s\" belongs to someone else", CATALOG_SCHEMA),
				 errdetail("Its owner, \"%s\", could replace what the extension puts into it.",
						   GetUserNameFromId(owner, false)),
				 errhint("Drop or rename that schema, or give it to the role that creates the extension.")));
}

/* A function or operator of someone else's would be called in place of ours. */
static void
check_nothing_else_is_in(Oid schema)
{
	Statement	statement;
	bool		null;

	statement_begin_as(&statement, GetUserId());
	if (STATEMENT_RUN("SELECT pg_catalog.pg_describe_object(o.classid, o.objid, o.objsubid)"
					  " FROM pg_catalog.pg_depend AS o"
					  " WHERE o.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND o.refobjid = $1"
					  " AND o.classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass"
					  " AND NOT (o.classid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND o.objid = $2)"
					  " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS m"
					  " WHERE m.classid = o.classid AND m.objid = o.objid AND m.deptype = 'e'"
					  " AND m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND m.refobjid = $2)"
					  " LIMIT 1",
					  parameter_oid(schema), parameter_oid(CurrentExtensionObject)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("schema \"%s\" is not empty", CATALOG_SCHEMA),
				 errdetail("There is %s in it, which might be taken for what the extension puts there.",
						   TextDatumGetCString(statement_result(1, &null))),
				 errhint("Drop it, or move it to another schema, and create the extension again.")));
	statement_end(&statement);
}

Datum
install_assert_schema_is_ours(PG_FUNCTION_ARGS)
{
	Oid			schema = get_namespace_oid(CATALOG_SCHEMA, false);

	check_owner(schema);
	check_nothing_else_is_in(schema);
	PG_RETURN_VOID();
}

/*
 * The statements that are missing until each object has the privileges of its
 * owner, and a type besides the USAGE that is PUBLIC's by default.  What the
 * owner has granted to anyone else goes, with all that was granted on by those.
 */
static const char *const missing_statements =
"WITH object AS ("
" SELECT 'SCHEMA' AS kind, 'n'::\"char\" AS code, pg_catalog.quote_ident(nspname) AS name, nspowner AS owner, nspacl AS acl"
" FROM pg_catalog.pg_namespace WHERE oid = $1"
" UNION ALL SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\","
" pg_catalog.format('%I.%I', $2, relname), relowner, relacl"
" FROM pg_catalog.pg_class WHERE relnamespace = $1 AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
" UNION ALL SELECT 'ROUTINE', 'f', oid::pg_catalog.regprocedure::text, proowner, proacl"
" FROM pg_catalog.pg_proc WHERE pronamespace = $1"
" UNION ALL SELECT 'TYPE', 'T', oid::pg_catalog.regtype::text, typowner, typacl"
" FROM pg_catalog.pg_type WHERE typnamespace = $1 AND typacl IS NOT NULL),"
" has AS (SELECT o.*, a.grantee, a.privilege_type"
" FROM object AS o, pg_catalog.aclexplode(COALESCE(acl, pg_catalog.acldefault(code, owner))) AS a),"
" wanted AS (SELECT o.*, a.grantee, a.privilege_type"
" FROM object AS o, pg_catalog.aclexplode(pg_catalog.acldefault(code, owner)) AS a"
" WHERE a.grantee = o.owner OR o.kind = 'TYPE')"
" SELECT pg_catalog.format('REVOKE ALL ON %s %s FROM %s CASCADE', kind, name,"
" CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END)"
" FROM has WHERE grantee <> owner AND NOT (kind = 'TYPE' AND grantee = 0)"
" GROUP BY kind, name, grantee"
" UNION ALL SELECT pg_catalog.format('GRANT %s ON %s %s TO %s', privilege_type, kind, name,"
" CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END)"
" FROM wanted AS w WHERE NOT EXISTS (SELECT FROM has AS h WHERE h.kind = w.kind AND h.name = w.name"
" AND h.grantee = w.grantee AND h.privilege_type = w.privilege_type)";

/* How many there were.  One may do the work of another, which then does nothing. */
static uint64
run_missing_statements(Oid schema)
{
	uint64		count = STATEMENT_RUN(missing_statements, parameter_oid(schema),
									  parameter_string(CATALOG_SCHEMA));
	SPITupleTable *table = SPI_tuptable;

	for (uint64 i = 0; i < count; i++)
		statement_run(SPI_getvalue(table->vals[i], table->tupdesc, 1), 0, NULL);
	return count;
}

Datum
install_take_privileges(PG_FUNCTION_ARGS)
{
	Oid			schema = get_namespace_oid(CATALOG_SCHEMA, false);
	Statement	statement;

	statement_begin_as(&statement, GetUserId());
	if (run_missing_statements(schema) > 0)
	{
		CommandCounterIncrement();
		if (run_missing_statements(schema) > 0)
			elog(ERROR, "privileges in schema \"%s\" could not be taken back", CATALOG_SCHEMA);
	}
	statement_end(&statement);
	PG_RETURN_VOID();
}
