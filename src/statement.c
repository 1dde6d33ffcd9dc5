/*
 * statement.c
 *		Relational statements on our own tables, run as their owner.
 *
 * Ground floor: calls catalog.  A caller has no privilege on our tables: after
 * access has decided by its role, the statements run as the tables' owner, as
 * those of foreign keys do, and under a search_path that no one else fills.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "statement.h"

static Statement *current = NULL;

/* An error leaves statement_end out; whoever is then left, was left by it. */
static void
forget_statements(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (current != NULL && current->transaction_nest_level >= GetCurrentTransactionNestLevel())
		current = current->outer;
}

static void
forget_all_statements(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		current = NULL;
}

static Oid
owner_of_tables(void)
{
	Oid			table = catalog_relation(CATALOG_KEYS);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
begin(Statement *statement, Oid role, int security_context)
{
	static bool registered = false;
	Oid			caller;

	if (!registered)
	{
		RegisterSubXactCallback(forget_statements, NULL);
		RegisterXactCallback(forget_all_statements, NULL);
		registered = true;
	}

	GetUserIdAndSecContext(&caller, &statement->security_context);
	statement->actor = caller;
	statement->caller_context = CurrentMemoryContext;
	statement->transaction_nest_level = GetCurrentTransactionNestLevel();
	statement->outer = current;

	statement->guc_nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SetUserIdAndSecContext(role, statement->security_context | security_context);
	SPI_connect();
	current = statement;
}

void
statement_begin(Statement *statement)
{
	begin(statement, owner_of_tables(), SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
}

void
statement_begin_as(Statement *statement, Oid role)
{
	begin(statement, role, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

void
statement_end(Statement *statement)
{
	Assert(current == statement);

	current = statement->outer;
	SPI_finish();
	SetUserIdAndSecContext(statement->actor, statement->security_context);
	/* As after a function with SET: what was set LOCAL inside stays. */
	AtEOXact_GUC(true, statement->guc_nest_level);
}

Oid
statement_actor(void)
{
	Statement  *outermost = current;

	if (outermost == NULL)
		return GetUserId();
	while (outermost->outer != NULL)
		outermost = outermost->outer;
	return outermost->actor;
}

uint64
statement_run(const char *sql, int count, const Parameter *parameters)
{
	Oid			types[16];
	Datum		values[16];
	char		nulls[16] = {0};
	int			result;

	Assert(current != NULL && count <= (int) lengthof(types));
	for (int i = 0; i < count; i++)
	{
		types[i] = parameters[i].type;
		values[i] = parameters[i].value;
		nulls[i] = parameters[i].null ? 'n' : ' ';
	}

	result = SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

Datum
statement_result(int column, bool *null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, null);
}

Parameter
parameter_text(const text *value)
{
	return (Parameter) {TEXTOID, PointerGetDatum(value), value == NULL};
}

Parameter
parameter_string(const char *value)
{
	return parameter_text(value == NULL ? NULL : cstring_to_text(value));
}

Parameter
parameter_timestamp(int64 value)
{
	return (Parameter) {TIMESTAMPTZOID, Int64GetDatum(value), false};
}

Parameter
parameter_interval(const void *value)
{
	return (Parameter) {INTERVALOID, PointerGetDatum(value), value == NULL};
}

Parameter
parameter_boolean(bool value)
{
	return (Parameter) {BOOLOID, BoolGetDatum(value), false};
}

Parameter
parameter_name(const char *value)
{
	return (Parameter) {NAMEOID, CStringGetDatum(value), value == NULL};
}

/* One of our own types */
Parameter
parameter_of(const char *type, Datum value, bool null)
{
	return (Parameter) {catalog_type(type), value, null};
}
