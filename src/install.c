/*
 * install.c
 *		What the install script asks for: schemas that are ours alone, and objects
 *		on which nobody but their owner has a privilege.
 *
 * These functions are dropped when the script ends.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_default_acl.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "spi_owner.h"

PG_FUNCTION_INFO_V1(install_assert_schema_is_ours);
PG_FUNCTION_INFO_V1(install_take_privileges);

static Parameter
parameter_oid(Oid value)
{
	return (Parameter) {OIDOID, ObjectIdGetDatum(value), false};
}

/* is_new: was the schema made by this transaction, so that nobody else has seen it? */
static void
look_up_schema(Oid schema, Oid *owner, bool *is_new)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	*owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	*is_new = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)) &&
		!(tuple->t_data->t_infomask & HEAP_UPDATED);
	ReleaseSysCache(tuple);
}

static void
check_owner(Oid owner)
{
	if (owner != GetUserId() && !superuser_arg(owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("schema \"%s\" belongs to someone else", CATALOG_SCHEMA),
				 errdetail("Its owner, \"%s\", could replace what the extension puts into it.",
						   GetUserNameFromId(owner, false)),
				 errhint("Drop or rename that schema, or give it to the role that creates the extension.")));
}

/* A function or operator of someone else could be called in place of ours. */
static void
check_nothing_else_is_in(Oid schema)
{
	Relation	dependencies = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(NamespaceRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(schema));
	scan = systable_beginscan(dependencies, DependReferenceIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(tuple);
		ObjectAddress object = {row->classid, row->objid, row->objsubid};

		if (row->classid != DefaultAclRelationId && row->classid != ExtensionRelationId &&
			getExtensionOfObject(row->classid, row->objid) != CurrentExtensionObject)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("schema \"%s\" is not empty", CATALOG_SCHEMA),
					 errdetail("There is %s %s in it, which might be taken for what the extension puts there.",
							   getObjectTypeDescription(&object, false),
							   getObjectIdentity(&object, false)),
					 errhint("Drop it, or move it to another schema, and create the extension again.")));
	}
	systable_endscan(scan);
	table_close(dependencies, AccessShareLock);
}

/*
 * Whoever has CREATE on the schema could create something at the same time,
 * unseen until it is committed, so revoking the privilege now would be too
 * late.  Privileges that came from default privileges are tolerated: a restore
 * creates the schema, and must not fail.
 */
static void
check_privileges(Oid schema)
{
	SpiOwner	spi;
	bool		null;

	spi_owner_begin_as(&spi, GetUserId());
	if (SPI_OWNER_RUN("SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END"
					  " FROM pg_catalog.pg_namespace AS n, pg_catalog.aclexplode(n.nspacl) AS a"
					  " WHERE n.oid = $1 AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner"
					  " AND NOT EXISTS (SELECT FROM pg_catalog.pg_default_acl AS d, pg_catalog.aclexplode(d.defaclacl) AS b"
					  " WHERE d.defaclrole = n.nspowner AND d.defaclobjtype = 'n'"
					  " AND b.grantee = a.grantee AND b.privilege_type = 'CREATE')"
					  " LIMIT 1",
					  parameter_oid(schema)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("others than its owner can create objects in schema \"%s\"", CATALOG_SCHEMA),
				 errdetail("%s has the privilege CREATE on it.",
						   TextDatumGetCString(spi_owner_result(1, &null))),
				 errhint("Revoke it, commit, and create the extension again.")));
	spi_owner_end(&spi);
}

/* A transaction without a process is prepared; its database is not known. */
static void
wait_for_creator(TransactionId xid)
{
	int			pid = BackendXidGetPid(xid);
	PGPROC	   *process = pid == 0 ? NULL : BackendPidGetProc(pid);

	if (!TransactionIdIsCurrentTransactionId(xid) &&
		(process == NULL || process->databaseId == MyDatabaseId))
		XactLockTableWait(xid, NULL, NULL, XLTW_None);
}

/*
 * Someone may be creating something in a schema that existed before.
 * Transactions that began after the last one that ended are not in the
 * snapshot.
 */
static void
wait_for_creators(void)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TransactionId next = ReadNextTransactionId();

	for (uint32 i = 0; i < snapshot->xcnt; i++)
		wait_for_creator(snapshot->xip[i]);
	for (TransactionId xid = snapshot->xmax; TransactionIdPrecedes(xid, next);)
	{
		if (TransactionIdIsInProgress(xid))
			wait_for_creator(xid);
		TransactionIdAdvance(xid);
	}
	UnregisterSnapshot(snapshot);
}

static void
check_schema_is_empty(Oid schema, bool is_new)
{
	if (!is_new)
		wait_for_creators();
	check_nothing_else_is_in(schema);
}

/* The script makes this schema itself, so that DROP EXTENSION drops it. */
static void
check_no_internal_schema(void)
{
	if (OidIsValid(get_namespace_oid(CATALOG_INTERNAL_SCHEMA, true)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_SCHEMA),
				 errmsg("schema \"%s\" already exists", CATALOG_INTERNAL_SCHEMA),
				 errdetail("The extension keeps there what is for its own use, and makes that schema itself."),
				 errhint("Drop or rename that schema, and create the extension again.")));
}

Datum
install_assert_schema_is_ours(PG_FUNCTION_ARGS)
{
	Oid			schema = get_namespace_oid(CATALOG_SCHEMA, false);
	Oid			owner;
	bool		is_new;

	look_up_schema(schema, &owner, &is_new);
	check_no_internal_schema();
	check_owner(owner);
	if (!is_new)
		check_privileges(schema);
	check_schema_is_empty(schema, is_new);
	PG_RETURN_VOID();
}

/*
 * The statements that are missing until each object has the privileges of its
 * owner, and a type besides the USAGE that is PUBLIC's by default.  What the
 * owner has granted to anyone else goes, with all that was granted on by those.
 * Two functions are everyone's and stay by default too: each query on an isolated
 * table calls them, and the server takes long to find privileges that are written
 * down.
 */
static const char *const missing_statements =
"WITH object AS ("
" SELECT 'SCHEMA' AS kind, 'n'::\"char\" AS code, pg_catalog.quote_ident(nspname) AS name, nspowner AS owner, nspacl AS acl,"
" false AS everyones"
" FROM pg_catalog.pg_namespace WHERE oid = $1"
" UNION ALL SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\","
" pg_catalog.format('%I.%I', $2, relname), relowner, relacl, false"
" FROM pg_catalog.pg_class WHERE relnamespace = $1 AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
" UNION ALL SELECT 'ROUTINE', 'f', oid::pg_catalog.regprocedure::text, proowner, proacl,"
" proname IN ('isolated_workspace', 'isolated_mode')"
" FROM pg_catalog.pg_proc WHERE pronamespace = $1"
" UNION ALL SELECT 'TYPE', 'T', oid::pg_catalog.regtype::text, typowner, typacl, true"
" FROM pg_catalog.pg_type WHERE typnamespace = $1 AND typacl IS NOT NULL),"
" has AS (SELECT o.*, a.grantee, a.privilege_type"
" FROM object AS o, pg_catalog.aclexplode(COALESCE(acl, pg_catalog.acldefault(code, owner))) AS a),"
" wanted AS (SELECT o.*, a.grantee, a.privilege_type"
" FROM object AS o, pg_catalog.aclexplode(pg_catalog.acldefault(code, owner)) AS a"
" WHERE a.grantee = o.owner OR o.everyones)"
" SELECT pg_catalog.format('REVOKE ALL ON %s %s FROM %s CASCADE', kind, name,"
" CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END)"
" FROM has WHERE grantee <> owner AND NOT (everyones AND grantee = 0)"
" GROUP BY kind, name, grantee"
" UNION ALL SELECT pg_catalog.format('GRANT %s ON %s %s TO %s', privilege_type, kind, name,"
" CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END)"
" FROM wanted AS w WHERE NOT EXISTS (SELECT FROM has AS h WHERE h.kind = w.kind AND h.name = w.name"
" AND h.grantee = w.grantee AND h.privilege_type = w.privilege_type)";

/*
 * Returns how many there were.  One may do the work of another, which then has
 * nothing to do.
 */
static uint64
run_missing_statements(const char *schema)
{
	uint64		count = SPI_OWNER_RUN(missing_statements,
									  parameter_oid(get_namespace_oid(schema, false)),
									  parameter_string(schema));
	SPITupleTable *table = SPI_tuptable;

	for (uint64 i = 0; i < count; i++)
		spi_owner_run(SPI_getvalue(table->vals[i], table->tupdesc, 1), 0, NULL);
	return count;
}

static void
take_privileges(const char *schema)
{
	SpiOwner	spi;

	spi_owner_begin_as(&spi, GetUserId());
	if (run_missing_statements(schema) > 0)
	{
		CommandCounterIncrement();
		if (run_missing_statements(schema) > 0)
			elog(ERROR, "privileges in schema \"%s\" could not be taken back", schema);
	}
	spi_owner_end(&spi);
}

Datum
install_take_privileges(PG_FUNCTION_ARGS)
{
	Oid			schema = get_namespace_oid(CATALOG_SCHEMA, false);
	Oid			owner;
	bool		is_new;

	take_privileges(CATALOG_SCHEMA);
	take_privileges(CATALOG_INTERNAL_SCHEMA);
	/*
	 * Others see the revocation once we commit, which is soon.  They do not
	 * see the internal schema before.
	 */
	look_up_schema(schema, &owner, &is_new);
	check_schema_is_empty(schema, is_new);
	PG_RETURN_VOID();
}
