/*
 * isolation_before.c
 *		How tables were before they were isolated.
 *
 * It is kept in a table of ours, since what is kept with the application's
 * table is its owner's to write, and release_table is also called by
 * superusers.  Even so a default comes back as one parsed expression, by the
 * hand of the owner, and never as the text of a statement.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "isolation_before.h"
#include "spi_owner.h"

/* The callers of isolate_table and release_table may have different settings. */
static const struct
{
	const char *name;
	const char *value;
}			settings_of_expressions[] =
{
	{"standard_conforming_strings", "on"},
	{"transform_null_equals", "off"},
	{"array_nulls", "on"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "3"},
};

/* Until spi_owner_end */
static void
fix_settings(void)
{
	for (int i = 0; i < lengthof(settings_of_expressions); i++)
		(void) set_config_option(settings_of_expressions[i].name, settings_of_expressions[i].value,
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

char *
isolation_before_default(Relation table, AttrNumber column)
{
	TupleConstr *constraints = RelationGetDescr(table)->constr;

	fix_settings();
	for (int i = 0; constraints != NULL && i < constraints->num_defval; i++)
	{
		if (constraints->defval[i].adnum == column)
			return deparse_expression(stringToNode(constraints->defval[i].adbin), NIL, false, false);
	}
	return NULL;
}

/* Is it a single expression? */
static bool
is_expression(const SelectStmt *select)
{
	ResTarget  *target;

	if (list_length(select->targetList) != 1 || select->op != SETOP_NONE ||
		select->distinctClause || select->intoClause || select->fromClause ||
		select->whereClause || select->groupClause || select->havingClause ||
		select->windowClause || select->valuesLists || select->sortClause ||
		select->limitOffset || select->limitCount || select->lockingClause ||
		select->withClause)
		return false;
	target = linitial_node(ResTarget, select->targetList);
	return target->name == NULL && target->indirection == NIL;
}

static Node *
parse_expression(const char *expression)
{
	List	   *parsed = raw_parser(expression, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select = castNode(SelectStmt, linitial_node(RawStmt, parsed)->stmt);

	if (!is_expression(select))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("what is kept as a column's default is no expression")));
	return linitial_node(ResTarget, select->targetList)->val;
}

/*
 * Runs one command of ALTER TABLE ONLY as a parse tree, never as text. source
 * is for error positions.
 */
static void
alter_table(Oid table, AlterTableType type, const char *column, Node *definition,
			const char *source)
{
	AlterTableCmd *command = makeNode(AlterTableCmd);
	AlterTableStmt *alter = makeNode(AlterTableStmt);
	PlannedStmt *statement = makeNode(PlannedStmt);

	command->subtype = type;
	command->name = unconstify(char *, column);
	command->def = definition;
	command->behavior = DROP_RESTRICT;

	alter->relation = makeRangeVar(get_namespace_name(get_rel_namespace(table)),
								   get_rel_name(table), -1);
	alter->relation->inh = false;
	alter->cmds = list_make1(command);
	alter->objtype = OBJECT_TABLE;

	statement->commandType = CMD_UTILITY;
	statement->utilityStmt = (Node *) alter;
	statement->stmt_location = -1;
	ProcessUtility(statement, source, false, PROCESS_UTILITY_QUERY, NULL, NULL,
				   None_Receiver, NULL);
	CommandCounterIncrement();
}

static void
restore_default(Oid table, AttrNumber column, const char *expression)
{
	alter_table(table, AT_ColumnDefault, get_attname(table, column, false),
				expression ? parse_expression(expression) : NULL, expression ? expression : "");
}

void
isolation_before_restore(Oid table, const TableBefore *before,
						 AttrNumber workspace_column, AttrNumber mode_column)
{
	fix_settings();
	if (workspace_column != InvalidAttrNumber)
		restore_default(table, workspace_column, before->workspace_default);
	if (mode_column != InvalidAttrNumber)
		restore_default(table, mode_column, before->mode_default);
	alter_table(table, before->row_security ? AT_EnableRowSecurity : AT_DisableRowSecurity,
				NULL, NULL, "");
	alter_table(table, before->forced ? AT_ForceRowSecurity : AT_NoForceRowSecurity,
				NULL, NULL, "");
}

bool
isolation_before_kept(Oid table)
{
	SpiOwner	spi;
	bool		kept;

	spi_owner_begin(&spi);
	kept = SPI_OWNER_RUN("SELECT FROM falukeys.isolated_tables WHERE target = $1",
						 (Parameter) {REGCLASSOID, ObjectIdGetDatum(table), false}) > 0;
	spi_owner_end(&spi);
	return kept;
}

/* A dropped table leaves its row, and its OID may be reused. */
static void
forget_dropped(void)
{
	spi_owner_run("DELETE FROM falukeys.isolated_tables WHERE target IN"
				  " (SELECT target FROM falukeys.isolated_tables AS i"
				  " WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = i.target)"
				  " FOR UPDATE OF i SKIP LOCKED)", 0, NULL);
}

void
isolation_before_keep(Oid table, const TableBefore *before)
{
	SpiOwner	spi;

	spi_owner_begin(&spi);
	forget_dropped();
	SPI_OWNER_RUN("INSERT INTO falukeys.isolated_tables"
				  " (target, row_security, forced, permitted, workspace_default, mode_default)"
				  " VALUES ($1, $2, $3, $4, $5, $6)",
				  (Parameter) {REGCLASSOID, ObjectIdGetDatum(table), false},
				  parameter_boolean(before->row_security), parameter_boolean(before->forced),
				  parameter_boolean(before->permitted),
				  parameter_string(before->workspace_default),
				  parameter_string(before->mode_default));
	spi_owner_end(&spi);
}

static char *
result_string(int column)
{
	bool		null;
	Datum		value = spi_owner_result(column, &null);

	return null ? NULL : spi_owner_carry_string(TextDatumGetCString(value));
}

static bool
result_boolean(int column)
{
	bool		null;

	return DatumGetBool(spi_owner_result(column, &null)) && !null;
}

bool
isolation_before_take(Oid table, TableBefore *before)
{
	SpiOwner	spi;
	bool		found;

	spi_owner_begin(&spi);
	found = SPI_OWNER_RUN("DELETE FROM falukeys.isolated_tables WHERE target = $1"
						  " RETURNING row_security, forced, permitted, workspace_default, mode_default",
						  (Parameter) {REGCLASSOID, ObjectIdGetDatum(table), false}) > 0;
	if (found)
	{
		before->row_security = result_boolean(1);
		before->forced = result_boolean(2);
		before->permitted = result_boolean(3);
		before->workspace_default = result_string(4);
		before->mode_default = result_string(5);
	}
	spi_owner_end(&spi);
	return found;
}
