/*
 * isolation.c
 *		Application tables whose rows only their own workspace and mode touch.
 *
 * What is done to the table is done as its owner, never as the caller or the
 * owner of falukeys: isolation_before says what holds of text that an owner can
 * write.  The policies compare columns with one subquery, which is answered
 * once a query and can be looked up in an index.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "argument.h"
#include "catalog.h"
#include "identity.h"
#include "isolation_before.h"
#include "permissions.h"
#include "spi_owner.h"

#define PERMISSIVE_POLICY	"falukeys_isolation"
#define READ_POLICY			"falukeys_isolation_read"

static const char *const policies[] = {
	PERMISSIVE_POLICY,
	READ_POLICY,
	"falukeys_isolation_insert",
	"falukeys_isolation_update",
	"falukeys_isolation_delete",
};

PG_FUNCTION_INFO_V1(isolation_isolated_workspace);
PG_FUNCTION_INFO_V1(isolation_isolated_mode);
PG_FUNCTION_INFO_V1(isolation_isolated_object);
PG_FUNCTION_INFO_V1(isolation_isolate_table);
PG_FUNCTION_INFO_V1(isolation_release_table);

/* A table of the caller's, and its owner, as whom statements on it run */
typedef struct Target
{
	Oid			table;
	Oid			owner;
	const char *name;			/* qualified and quoted */
	bool		row_security;
	bool		forced;
} Target;

/* The identity, if it may touch the rows of its workspace and mode */
static const Identity *
identity_for_rows(FunctionCallInfo fcinfo)
{
	const Identity *identity = identity_current();
	bool		by_object = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);

	if (identity == NULL || identity->facts.secret.kind == 'p' ||
		(identity->facts.secret.kind == 't' && !by_object) ||
		(!PG_ARGISNULL(0) && !identity_allows(identity, PG_GETARG_TEXT_PP(0))))
		return NULL;
	return identity;
}

Datum
isolation_isolated_workspace(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_for_rows(fcinfo);

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(identity->facts.workspace_id.text));
}

Datum
isolation_isolated_mode(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_for_rows(fcinfo);

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_OID(identity->facts.mode_oid);
}

static bool
text_is(const text *value, const char *expected)
{
	size_t		length = strlen(expected);

	return VARSIZE_ANY_EXHDR(value) == length && memcmp(VARDATA_ANY(value), expected, length) == 0;
}

static bool
has_object(const Identity *identity, const text *object)
{
	Datum	   *objects;
	int			count;

	deconstruct_array(identity->objects, TEXTOID, -1, false, TYPALIGN_INT, &objects, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		text	   *candidate = DatumGetTextPP(objects[i]);

		if (VARSIZE_ANY_EXHDR(candidate) == VARSIZE_ANY_EXHDR(object) &&
			memcmp(VARDATA_ANY(candidate), VARDATA_ANY(object), VARSIZE_ANY_EXHDR(object)) == 0)
			return true;
	}
	return false;
}

/* May the current identity touch a row, by its object? */
Datum
isolation_isolated_object(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL || PG_ARGISNULL(0) || PG_ARGISNULL(1) ||
		!text_is(PG_GETARG_TEXT_PP(0), identity->facts.workspace_id.text) ||
		!text_is(PG_GETARG_TEXT_PP(1), identity->facts.secret.mode == 'l' ? "live" : "test"))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(identity->facts.secret.kind == 's' ||
				   (identity->objects != NULL && !PG_ARGISNULL(2) &&
					has_object(identity, PG_GETARG_TEXT_PP(2))));
}

/* The columns that tell rows apart */
typedef struct Columns
{
	AttrNumber	workspace;
	AttrNumber	mode;
	bool		mode_is_text;
	const char *object;			/* NULL for none */
} Columns;

static void
find_target(FunctionCallInfo fcinfo, Target *target)
{
	HeapTuple	tuple;
	Form_pg_class class;

	argument_require(fcinfo, 0, "target");
	target->table = PG_GETARG_OID(0);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(target->table));
	if (!HeapTupleIsValid(tuple))
		ARGUMENT_REFUSE("argument \"%s\" must be an existing table", "target");
	class = (Form_pg_class) GETSTRUCT(tuple);
	target->owner = class->relowner;
	if (!has_privs_of_role(GetUserId(), target->owner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, NameStr(class->relname));
	if ((class->relkind != RELKIND_RELATION && class->relkind != RELKIND_PARTITIONED_TABLE) ||
		IsCatalogRelationOid(target->table) ||
		class->relnamespace == get_namespace_oid(CATALOG_SCHEMA, false))
		ARGUMENT_REFUSE("argument \"%s\" must be a table of an application", "target");
	target->row_security = class->relrowsecurity;
	target->forced = class->relforcerowsecurity;
	target->name = quote_qualified_identifier(get_namespace_name(class->relnamespace),
											  NameStr(class->relname));
	ReleaseSysCache(tuple);
}

/* Waits for who is using it, and looks again: it may have another owner by then. */
static Relation
lock_target(FunctionCallInfo fcinfo, Target *target)
{
	Relation	table;

	find_target(fcinfo, target);
	table = table_open(target->table, AccessExclusiveLock);
	find_target(fcinfo, target);
	return table;
}

/* A column that rows are told apart by; its type */
static Oid
check_column(Relation table, const char *argument, const char *column, bool may_be_mode)
{
	AttrNumber	number = get_attnum(RelationGetRelid(table), column);
	Form_pg_attribute attribute;

	if (number <= 0)
		ARGUMENT_REFUSE("argument \"%s\" must be the name of a column of the table", argument);
	attribute = TupleDescAttr(RelationGetDescr(table), number - 1);
	if (attribute->attgenerated != '\0' || attribute->attidentity != '\0')
		ARGUMENT_REFUSE("argument \"%s\" must be the name of a column that is not generated", argument);
	if (may_be_mode && attribute->atttypid == catalog_type("key_mode"))
		return attribute->atttypid;
	if (attribute->atttypid != TEXTOID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 may_be_mode ?
				 errmsg("argument \"%s\" must be the name of a column of type falukeys.key_mode or text",
						argument) :
				 errmsg("argument \"%s\" must be the name of a column of type text", argument)));
	if (!get_collation_isdeterministic(attribute->attcollation))
		ARGUMENT_REFUSE("argument \"%s\" must be the name of a column with a deterministic collation", argument);
	return attribute->atttypid;
}

static const char *
quoted_or_null(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? "NULL" :
		quote_literal_cstr(text_to_cstring(PG_GETARG_TEXT_PP(number)));
}

/*
 * The expression of a policy.  One subquery answers both values, so that it
 * never compares with those of two identities, even if the identity changes
 * during a query: nothing runs between one and the other.  A function in FROM
 * could answer both at once, but scanning it costs more than calling two.
 */
static char *
condition(const char *workspace_column, const char *mode_column, const Columns *columns,
		  const char *permission)
{
	const char *by_object = columns->object ? "true" : "false";
	StringInfoData expression;

	initStringInfo(&expression);
	appendStringInfo(&expression,
					 "(%s, %s) OPERATOR(pg_catalog.=)"
					 " (SELECT falukeys_internal.isolated_workspace(%s, %s),"
					 " falukeys_internal.isolated_mode(%s, %s)%s)",
					 quote_identifier(workspace_column), quote_identifier(mode_column),
					 permission, by_object, permission, by_object,
					 columns->mode_is_text ? "::pg_catalog.text" : "");
	if (columns->object != NULL)
		appendStringInfo(&expression,
						 " AND falukeys_internal.isolated_object(%s, %s::pg_catalog.text, %s)",
						 quote_identifier(workspace_column), quote_identifier(mode_column),
						 quote_identifier(columns->object));
	return expression.data;
}

static bool
has_policy(const Target *target, const char *name)
{
	return SPI_OWNER_RUN("SELECT FROM pg_policy WHERE polrelid = $1 AND polname = $2",
						 (Parameter) {OIDOID, ObjectIdGetDatum(target->table), false},
						 parameter_string(name)) > 0;
}

static bool
has_policies(const Target *target)
{
	for (int i = 0; i < lengthof(policies); i++)
	{
		if (has_policy(target, policies[i]))
			return true;
	}
	return false;
}

/* Raises where the table is isolated already, or has policies of the same names. */
static void
check_not_isolated(const Target *target, bool kept)
{
	if (kept)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is isolated already", target->name),
				 errhint("Release it first, with falukeys.release_table().")));
	if (has_policies(target))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s has policies named falukeys_isolation*", target->name),
				 errhint("Drop them, or rename them if they are your own.")));
}

static void
run(const char *sql)
{
	spi_owner_run(sql, 0, NULL);
}

/*
 * If row security was on and had permissive policies, they stay.  Otherwise
 * ours permits everything within the isolation.  The conditions after "true"
 * decide nothing, but make this policy depend on the same objects as the
 * restrictive ones, so that a DROP with CASCADE drops all of them.  Reading needs
 * no such condition: every use of a plan would walk through it.
 */
static bool
permit(const Target *target, const char *read, const char *write)
{
	if (target->row_security &&
		SPI_OWNER_RUN("SELECT FROM pg_policy WHERE polrelid = $1 AND polpermissive",
					  (Parameter) {OIDOID, ObjectIdGetDatum(target->table), false}) > 0)
		return false;
	run(psprintf("CREATE POLICY " PERMISSIVE_POLICY " ON %s USING (true) WITH CHECK (true OR (%s) OR (%s))",
				 target->name, read, write));
	return true;
}

static void
restrict_to_identity(const Target *target, const char *read, const char *write)
{
	run(psprintf("CREATE POLICY " READ_POLICY " ON %s AS RESTRICTIVE FOR SELECT USING (%s)",
				 target->name, read));
	run(psprintf("CREATE POLICY falukeys_isolation_insert ON %s AS RESTRICTIVE FOR INSERT WITH CHECK (%s)",
				 target->name, write));
	run(psprintf("CREATE POLICY falukeys_isolation_update ON %s AS RESTRICTIVE FOR UPDATE USING (%s) WITH CHECK (%s)",
				 target->name, write, write));
	run(psprintf("CREATE POLICY falukeys_isolation_delete ON %s AS RESTRICTIVE FOR DELETE USING (%s)",
				 target->name, write));
}

/* Row security knows no TRUNCATE. */
static void
warn_of_truncate(const Target *target)
{
	if (SPI_OWNER_RUN("SELECT FROM pg_class, aclexplode(relacl) AS a WHERE pg_class.oid = $1"
					  " AND a.privilege_type = 'TRUNCATE' AND a.grantee <> relowner",
					  (Parameter) {OIDOID, ObjectIdGetDatum(target->table), false}) > 0)
		ereport(WARNING,
				(errmsg("table %s can be truncated by others than its owner", target->name),
				 errdetail("TRUNCATE empties it for every workspace and mode."),
				 errhint("Revoke TRUNCATE on it.")));
}

/*
 * Foreign keys of or to the table whose actions may cross workspaces: those
 * without the columns of workspace and mode.  Those that partitions inherit
 * from a listed one are left out.
 */
#define CROSSING_CONSTRAINTS \
	"SELECT c.conname::text, c.conrelid::regclass::text FROM pg_constraint AS c" \
	" WHERE c.contype = 'f' AND $1 IN (c.conrelid, c.confrelid)" \
	" AND (c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd'))" \
	" AND ((c.conrelid = $1 AND NOT c.conkey @> ARRAY[$2, $3])" \
	" OR (c.confrelid = $1 AND NOT c.confkey @> ARRAY[$2, $3]))" \
	" AND NOT EXISTS (SELECT FROM pg_constraint AS p" \
	" WHERE p.oid = c.conparentid AND $1 IN (p.conrelid, p.confrelid))" \
	" ORDER BY 2, 1"

/* Actions of foreign keys bypass row security. */
static void
warn_of_actions(const Target *target, const Columns *columns)
{
	uint64		count = SPI_OWNER_RUN(CROSSING_CONSTRAINTS,
									  (Parameter) {OIDOID, ObjectIdGetDatum(target->table), false},
									  (Parameter) {INT2OID, Int16GetDatum(columns->workspace), false},
									  (Parameter) {INT2OID, Int16GetDatum(columns->mode), false});
	SPITupleTable *found = SPI_tuptable;

	for (uint64 i = 0; i < count; i++)
		ereport(WARNING,
				(errmsg("foreign key \"%s\" of table %s acts past the isolation of %s",
						SPI_getvalue(found->vals[i], found->tupdesc, 1),
						SPI_getvalue(found->vals[i], found->tupdesc, 2), target->name),
				 errdetail("Its ON DELETE or ON UPDATE can delete or change rows of other workspaces and modes."),
				 errhint("Put the columns of workspace and mode into it, on both sides.")));
}

/* All of them at once, each with the type that it may have */
static void
refuse_missing(FunctionCallInfo fcinfo, const Target *target)
{
	static const struct
	{
		int			argument;
		const char *name;
		const char *type;
	}			wanted[] = {
		{1, "workspace_column", "text"}, {2, "mode_column", "falukeys.key_mode"}, {5, "object_column", "text"}
	};
	const char *missing = NULL;
	StringInfoData commands;

	initStringInfo(&commands);
	for (int i = 0; i < lengthof(wanted); i++)
	{
		const char *column;

		if (PG_ARGISNULL(wanted[i].argument))
			continue;
		column = NameStr(*PG_GETARG_NAME(wanted[i].argument));
		if (get_attnum(target->table, column) != InvalidAttrNumber)
			continue;
		appendStringInfo(&commands, "%sADD COLUMN %s %s", missing ? ", " : "",
						 quote_identifier(argument_shown(cstring_to_text(column))), wanted[i].type);
		missing = missing ? missing : wanted[i].name;
	}
	if (missing != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be the name of a column of the table", missing),
				 errhint("Name a column that the table has, or add it: ALTER TABLE %s %s;",
						 target->name, commands.data)));
}

/* Those of keys that may be asked for by name */
static void
check_permission(FunctionCallInfo fcinfo, int number, const char *argument)
{
	SpiOwner	spi;
	Datum		permission;

	if (PG_ARGISNULL(number))
		return;
	permission = PointerGetDatum(PG_GETARG_TEXT_PP(number));
	spi_owner_begin(&spi);
	permissions_check(argument, construct_array(&permission, 1, TEXTOID, -1, false, TYPALIGN_INT));
	spi_owner_end(&spi);
}

static void
find_columns(FunctionCallInfo fcinfo, const Target *target, Relation table, Columns *columns)
{
	const char *workspace;
	const char *mode;

	argument_require(fcinfo, 1, "workspace_column");
	argument_require(fcinfo, 2, "mode_column");
	refuse_missing(fcinfo, target);
	workspace = NameStr(*PG_GETARG_NAME(1));
	mode = NameStr(*PG_GETARG_NAME(2));
	columns->object = PG_ARGISNULL(5) ? NULL : NameStr(*PG_GETARG_NAME(5));
	(void) check_column(table, "workspace_column", workspace, false);
	columns->mode_is_text = check_column(table, "mode_column", mode, true) == TEXTOID;
	if (columns->object != NULL)
		(void) check_column(table, "object_column", columns->object, false);
	columns->workspace = get_attnum(RelationGetRelid(table), workspace);
	columns->mode = get_attnum(RelationGetRelid(table), mode);
}

static void
note_before(const Target *target, const Columns *columns, TableBefore *before)
{
	Relation	table = table_open(target->table, NoLock);

	before->row_security = target->row_security;
	before->forced = target->forced;
	before->workspace_default = spi_owner_carry_string(isolation_before_default(table, columns->workspace));
	before->mode_default = spi_owner_carry_string(isolation_before_default(table, columns->mode));
	table_close(table, NoLock);
}

/*
 * Partitions and inheriting tables keep their own defaults; rows inserted by
 * the table's name get the table's.  Returns whether a permissive policy was
 * made.
 */
static bool
isolate(FunctionCallInfo fcinfo, const Target *target, const Columns *columns)
{
	const char *workspace = get_attname(target->table, columns->workspace, false);
	const char *mode = get_attname(target->table, columns->mode, false);
	const char *read = condition(workspace, mode, columns, quoted_or_null(fcinfo, 3));
	const char *write = condition(workspace, mode, columns, quoted_or_null(fcinfo, 4));
	bool		permitted = permit(target, read, write);

	restrict_to_identity(target, read, write);
	run(psprintf("ALTER TABLE ONLY %s ALTER COLUMN %s SET DEFAULT falukeys.current_workspace_id(),"
				 " ALTER COLUMN %s SET DEFAULT falukeys.current_key_mode()%s,"
				 " ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
				 target->name, quote_identifier(workspace), quote_identifier(mode),
				 columns->mode_is_text ? "::pg_catalog.text" : ""));
	return permitted;
}

Datum
isolation_isolate_table(PG_FUNCTION_ARGS)
{
	Target		target;
	Relation	table = lock_target(fcinfo, &target);
	Columns		columns;
	TableBefore before;
	bool		kept;
	SpiOwner	spi;

	find_columns(fcinfo, &target, table, &columns);
	table_close(table, NoLock);
	check_permission(fcinfo, 3, "read_permission");
	check_permission(fcinfo, 4, "write_permission");
	kept = isolation_before_kept(target.table);

	spi_owner_begin_as(&spi, target.owner);
	check_not_isolated(&target, kept);
	note_before(&target, &columns, &before);
	before.permitted = isolate(fcinfo, &target, &columns);
	warn_of_truncate(&target);
	warn_of_actions(&target, &columns);
	spi_owner_end(&spi);

	isolation_before_keep(target.table, &before);
	PG_RETURN_VOID();
}

/* Notes the columns in the order in which the expression of a policy names them. */
static bool
find_first_columns(Node *node, void *context)
{
	Columns    *columns = context;

	if (node == NULL || IsA(node, Query))
		return false;
	if (IsA(node, Var) && ((Var *) node)->varlevelsup == 0)
	{
		if (columns->workspace != InvalidAttrNumber)
		{
			columns->mode = ((Var *) node)->varattno;
			return true;
		}
		columns->workspace = ((Var *) node)->varattno;
	}
	return expression_tree_walker(node, find_first_columns, context);
}

/* Can a column be that of the workspace, or of the mode? */
static bool
may_hold(Oid table, AttrNumber number, bool mode)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(table), Int16GetDatum(number));
	Form_pg_attribute attribute;
	bool		may;

	if (!HeapTupleIsValid(tuple))
		return false;
	attribute = (Form_pg_attribute) GETSTRUCT(tuple);
	may = number > 0 && !attribute->attisdropped &&
		attribute->attgenerated == '\0' && attribute->attidentity == '\0' &&
		(attribute->atttypid == TEXTOID || (mode && attribute->atttypid == catalog_type("key_mode")));
	ReleaseSysCache(tuple);
	return may;
}

/*
 * The columns are read from the policy, which follows renames and restores.  A
 * column number kept by us could be wrong after a restore.
 */
static void
find_policy_columns(const Target *target, Columns *columns)
{
	bool		null = true;
	Datum		expression = (Datum) 0;

	columns->workspace = InvalidAttrNumber;
	columns->mode = InvalidAttrNumber;
	if (SPI_OWNER_RUN("SELECT polqual FROM pg_policy WHERE polrelid = $1 AND polname = '" READ_POLICY "'",
					  (Parameter) {OIDOID, ObjectIdGetDatum(target->table), false}) > 0)
		expression = spi_owner_result(1, &null);
	if (!null)
		(void) find_first_columns(stringToNode(TextDatumGetCString(expression)), columns);
	if (may_hold(target->table, columns->workspace, false) && may_hold(target->table, columns->mode, true))
		return;

	columns->workspace = InvalidAttrNumber;
	columns->mode = InvalidAttrNumber;
	ereport(WARNING,
			(errmsg("defaults of table %s are left as they are", target->name),
			 errdetail("Policy \"%s\", which named the columns, was changed or dropped.",
					   READ_POLICY)));
}

static void
drop_policies(const Target *target, bool permitted)
{
	for (int i = permitted ? 0 : 1; i < lengthof(policies); i++)
	{
		if (has_policy(target, policies[i]))
			run(psprintf("DROP POLICY %s ON %s", policies[i], target->name));
	}
}

static void
refuse_release(const Target *target)
{
	if (!has_policies(target))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is not isolated", target->name)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("how table %s was before it was isolated is not known", target->name),
			 errdetail("It was restored without falukeys.isolated_tables."),
			 errhint("Drop its policies named falukeys_isolation* and set the defaults of its columns and row security yourself.")));
}

Datum
isolation_release_table(PG_FUNCTION_ARGS)
{
	Target		target;
	Columns		columns;
	TableBefore before;
	SpiOwner	spi;
	bool		known;

	table_close(lock_target(fcinfo, &target), NoLock);
	known = isolation_before_take(target.table, &before);

	spi_owner_begin_as(&spi, target.owner);
	if (!known)
		refuse_release(&target);
	find_policy_columns(&target, &columns);
	drop_policies(&target, before.permitted);
	isolation_before_restore(target.table, &before, columns.workspace, columns.mode);
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}
