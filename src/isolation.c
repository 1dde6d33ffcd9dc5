/*
 * isolation.c
 *		Application tables whose rows only their own workspace and mode touch.
 *
 * Calls identity, result and statement.  The statements run as the table's owner, never
 * as the owner of falukeys.  The policies compare columns with one
 * subquery, which is answered once a query and can be looked up in an index.
 *
 * How the table was before stands in the comment of a policy, so that it goes
 * with the table wherever that goes.
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
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "argument.h"
#include "catalog.h"
#include "identity.h"
#include "result.h"
#include "statement.h"

#define READ_POLICY		"falukeys_isolation_read"

PG_FUNCTION_INFO_V1(isolation_isolated);
PG_FUNCTION_INFO_V1(isolation_isolated_object);
PG_FUNCTION_INFO_V1(isolation_isolate_table);
PG_FUNCTION_INFO_V1(isolation_release_table);

/* A table of the caller's, and who runs statements on it */
typedef struct Target
{
	Oid			table;
	Oid			owner;
	const char *name;			/* qualified and quoted */
	bool		row_security;
	bool		forced;
} Target;

/*
 * The workspace and the mode whose rows the identity may touch, as one row: what
 * a policy compares with is of one identity, even if it changes in mid-query.
 */
Datum
isolation_isolated(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();
	bool		by_object = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	static const ResultColumns columns = {2, {TEXTOID, RESULT_ENUM}};
	Datum		values[2];
	bool		nulls[2] = {false};

	if (identity == NULL || identity->facts.secret.kind == 'p' ||
		(identity->facts.secret.kind == 't' && !by_object) ||
		(!PG_ARGISNULL(0) && !identity_allows(identity, PG_GETARG_TEXT_PP(0))))
		PG_RETURN_NULL();

	values[0] = CStringGetTextDatum(identity->facts.workspace_id.text);
	values[1] = ObjectIdGetDatum(identity->facts.mode_oid);
	return result_row(fcinfo, &columns, values, nulls);
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

/* May the identity, as it is when this row is looked at, touch it by its object? */
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

static void
find_target(FunctionCallInfo fcinfo, Target *target)
{
	HeapTuple	tuple;
	Form_pg_class class;

	argument_require(fcinfo, 0, "target");
	target->table = PG_GETARG_OID(0);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(target->table));
	if (!HeapTupleIsValid(tuple))
		argument_refuse("target", "an existing table");
	class = (Form_pg_class) GETSTRUCT(tuple);
	target->owner = class->relowner;
	if (!has_privs_of_role(GetUserId(), target->owner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, NameStr(class->relname));
	if ((class->relkind != RELKIND_RELATION && class->relkind != RELKIND_PARTITIONED_TABLE) ||
		IsCatalogRelationOid(target->table) ||
		class->relnamespace == get_namespace_oid(CATALOG_SCHEMA, false))
		argument_refuse("target", "a table of an application");
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
		argument_refuse(argument, "the name of a column of the table");
	attribute = TupleDescAttr(RelationGetDescr(table), number - 1);
	if (attribute->attgenerated != '\0' || attribute->attidentity != '\0')
		argument_refuse(argument, "the name of a column that is not generated");
	if (may_be_mode && attribute->atttypid == catalog_type("key_mode"))
		return attribute->atttypid;
	if (attribute->atttypid != TEXTOID)
		argument_refuse(argument, may_be_mode ?
						"the name of a column of type falukeys.key_mode or text" :
						"the name of a column of type text");
	if (!get_collation_isdeterministic(attribute->attcollation))
		argument_refuse(argument, "the name of a column with a deterministic collation");
	return attribute->atttypid;
}

static const char *
quoted_or_null(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? "NULL" :
		quote_literal_cstr(text_to_cstring(PG_GETARG_TEXT_PP(number)));
}

/* The expression of a policy */
static char *
condition(const char *workspace_column, const char *mode_column, bool mode_is_text,
		  const char *object_column, const char *permission)
{
	StringInfoData expression;

	initStringInfo(&expression);
	appendStringInfo(&expression,
					 "(%s, %s) OPERATOR(pg_catalog.=)"
					 " (SELECT i.workspace, i.mode%s FROM falukeys.isolated(%s, %s) AS i)",
					 quote_identifier(workspace_column), quote_identifier(mode_column),
					 mode_is_text ? "::pg_catalog.text" : "", permission,
					 object_column ? "true" : "false");
	if (object_column != NULL)
		appendStringInfo(&expression,
						 " AND falukeys.isolated_object(%s, %s::pg_catalog.text, %s)",
						 quote_identifier(workspace_column), quote_identifier(mode_column),
						 quote_identifier(object_column));
	return expression.data;
}

static void
append_default(StringInfo json, const Target *target, const char *name, const char *column)
{
	bool		null;
	Datum		expression;

	STATEMENT_RUN("SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute AS a"
				  " LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
				  " WHERE a.attrelid = $1 AND a.attname = $2",
				  (Parameter) {OIDOID, ObjectIdGetDatum(target->table), false},
				  parameter_name(column));
	expression = statement_result(1, &null);

	appendStringInfo(json, ", \"%s_column\": ", name);
	escape_json(json, column);
	appendStringInfo(json, ", \"%s_default\": ", name);
	if (null)
		appendStringInfoString(json, "null");
	else
		escape_json(json, TextDatumGetCString(expression));
}

/* Everything that release_table needs to know */
static char *
describe_before(const Target *target, const char *workspace_column, const char *mode_column)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"row_security\": %s, \"forced\": %s",
					 target->row_security ? "true" : "false", target->forced ? "true" : "false");
	append_default(&json, target, "workspace", workspace_column);
	append_default(&json, target, "mode", mode_column);
	appendStringInfoChar(&json, '}');
	return json.data;
}

static bool
is_isolated(const Target *target)
{
	return STATEMENT_RUN("SELECT FROM pg_policy WHERE polrelid = $1 AND polname = '" READ_POLICY "'",
						 (Parameter) {OIDOID, ObjectIdGetDatum(target->table), false}) > 0;
}

static void
run(const char *format,...) pg_attribute_printf(1, 2);

static void
run(const char *format,...)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (;;)
	{
		va_list		arguments;
		int			needed;

		va_start(arguments, format);
		needed = appendStringInfoVA(&sql, format, arguments);
		va_end(arguments);
		if (needed == 0)
			break;
		enlargeStringInfo(&sql, needed);
	}
	statement_run(sql.data, 0, NULL);
}

/*
 * Where row security was on already and something permitted by policies, that
 * much stays permitted; else all is, within the isolation.
 */
static void
permit(const Target *target)
{
	if (target->row_security &&
		STATEMENT_RUN("SELECT FROM pg_policy WHERE polrelid = $1 AND polpermissive",
					  (Parameter) {OIDOID, ObjectIdGetDatum(target->table), false}) > 0)
		return;
	run("CREATE POLICY falukeys_isolation ON %s USING (true) WITH CHECK (true)", target->name);
}

static void
restrict_to_identity(const Target *target, const char *read, const char *write)
{
	run("CREATE POLICY " READ_POLICY " ON %s AS RESTRICTIVE FOR SELECT USING (%s)",
		target->name, read);
	run("CREATE POLICY falukeys_isolation_insert ON %s AS RESTRICTIVE FOR INSERT WITH CHECK (%s)",
		target->name, write);
	run("CREATE POLICY falukeys_isolation_update ON %s AS RESTRICTIVE FOR UPDATE USING (%s) WITH CHECK (%s)",
		target->name, write, write);
	run("CREATE POLICY falukeys_isolation_delete ON %s AS RESTRICTIVE FOR DELETE USING (%s)",
		target->name, write);
}

/* Row security knows no TRUNCATE. */
static void
warn_of_truncate(const Target *target)
{
	if (STATEMENT_RUN("SELECT FROM pg_class, aclexplode(relacl) AS a WHERE pg_class.oid = $1"
					  " AND a.privilege_type = 'TRUNCATE' AND a.grantee <> relowner",
					  (Parameter) {OIDOID, ObjectIdGetDatum(target->table), false}) > 0)
		ereport(WARNING,
				(errmsg("table %s can be truncated by others than its owner", target->name),
				 errdetail("TRUNCATE empties it for every workspace and mode."),
				 errhint("Revoke TRUNCATE on it.")));
}

Datum
isolation_isolate_table(PG_FUNCTION_ARGS)
{
	Target		target;
	Relation	table = lock_target(fcinfo, &target);
	const char *workspace_column;
	const char *mode_column;
	const char *object_column = PG_ARGISNULL(5) ? NULL : NameStr(*PG_GETARG_NAME(5));
	bool		mode_is_text;
	char	   *read;
	char	   *write;
	Statement	statement;

	argument_require(fcinfo, 1, "workspace_column");
	argument_require(fcinfo, 2, "mode_column");
	workspace_column = NameStr(*PG_GETARG_NAME(1));
	mode_column = NameStr(*PG_GETARG_NAME(2));
	(void) check_column(table, "workspace_column", workspace_column, false);
	mode_is_text = check_column(table, "mode_column", mode_column, true) == TEXTOID;
	if (object_column != NULL)
		(void) check_column(table, "object_column", object_column, false);
	table_close(table, NoLock);

	read = condition(workspace_column, mode_column, mode_is_text, object_column,
					 quoted_or_null(fcinfo, 3));
	write = condition(workspace_column, mode_column, mode_is_text, object_column,
					  quoted_or_null(fcinfo, 4));

	statement_begin_as(&statement, target.owner);
	if (is_isolated(&target))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is isolated already", target.name),
				 errhint("Release it first, with falukeys.release_table().")));
	permit(&target);
	restrict_to_identity(&target, read, write);
	run("COMMENT ON POLICY " READ_POLICY " ON %s IS %s", target.name,
		quote_literal_cstr(describe_before(&target, workspace_column, mode_column)));
	run("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT falukeys.current_workspace_id(),"
		" ALTER COLUMN %s SET DEFAULT falukeys.current_key_mode()%s,"
		" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
		target.name, quote_identifier(workspace_column), quote_identifier(mode_column),
		mode_is_text ? "::pg_catalog.text" : "");
	warn_of_truncate(&target);
	statement_end(&statement);
	PG_RETURN_VOID();
}

static char *
before(const Target *target, const char *member)
{
	bool		null;
	Datum		value;

	STATEMENT_RUN("SELECT obj_description(oid, 'pg_policy')::jsonb ->> $2 FROM pg_policy"
				  " WHERE polrelid = $1 AND polname = '" READ_POLICY "'",
				  (Parameter) {OIDOID, ObjectIdGetDatum(target->table), false},
				  parameter_string(member));
	value = statement_result(1, &null);
	return null ? NULL : TextDatumGetCString(value);
}

static void
restore_default(const Target *target, const char *name)
{
	char	   *column = before(target, psprintf("%s_column", name));
	char	   *expression = before(target, psprintf("%s_default", name));

	if (column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the comment of policy \"%s\" on table %s was changed",
						READ_POLICY, target->name),
				 errdetail("It said how the table was before."),
				 errhint("Drop the policies falukeys_isolation* of the table yourself.")));
	if (expression == NULL)
		run("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT",
			target->name, quote_identifier(column));
	else
		run("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s",
			target->name, quote_identifier(column), expression);
}

Datum
isolation_release_table(PG_FUNCTION_ARGS)
{
	Target		target;
	Statement	statement;
	char	   *was;

	table_close(lock_target(fcinfo, &target), NoLock);
	statement_begin_as(&statement, target.owner);
	if (!is_isolated(&target))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is not isolated", target.name)));
	restore_default(&target, "workspace");
	restore_default(&target, "mode");
	was = before(&target, "row_security");
	if (was == NULL || strcmp(was, "true") != 0)
		run("ALTER TABLE %s DISABLE ROW LEVEL SECURITY", target.name);
	was = before(&target, "forced");
	if (was == NULL || strcmp(was, "true") != 0)
		run("ALTER TABLE %s NO FORCE ROW LEVEL SECURITY", target.name);
	if (STATEMENT_RUN("SELECT FROM pg_policy WHERE polrelid = $1 AND polname = 'falukeys_isolation'",
					  (Parameter) {OIDOID, ObjectIdGetDatum(target.table), false}) > 0)
		run("DROP POLICY falukeys_isolation ON %s", target.name);
	run("DROP POLICY " READ_POLICY " ON %s", target.name);
	run("DROP POLICY IF EXISTS falukeys_isolation_insert ON %s", target.name);
	run("DROP POLICY IF EXISTS falukeys_isolation_update ON %s", target.name);
	run("DROP POLICY IF EXISTS falukeys_isolation_delete ON %s", target.name);
	statement_end(&statement);
	PG_RETURN_VOID();
}
