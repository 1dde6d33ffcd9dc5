/*
 * top_level.c
 *		Whether a function is called by the client's own statement.
 *
 * What the client sends runs in the unnamed portal, or as what it has prepared
 * in a portal that this one makes, with the executor's state in that portal's own
 * memory.  Functions run queries of their own in other memory.  That leaves SQL
 * functions whose body the planner has inlined: a call in such a body has a
 * location in another text.
 */
#include "postgres.h"

#include "nodes/plannodes.h"
#include "nodes/primnodes.h"
#include "tcop/pquery.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "catalog.h"
#include "top_level.h"

static bool
begins_with(const char *text, const char *name)
{
	return pg_strncasecmp(text, name, strlen(name)) == 0;
}

/* Is the name of the function, perhaps with its schema, at this place of the text? */
static bool
stands_at(const char *text, int place, Oid function)
{
	if (place < 0 || strnlen(text, place + 1) <= place)
		return false;
	text += place;
	if (*text == '"')
		text++;
	return begins_with(text, CATALOG_SCHEMA) || begins_with(text, get_func_name(function));
}

static bool
is_running(Portal portal, NodeTag utility)
{
	PlannedStmt *statement;

	if (portal->status != PORTAL_ACTIVE || list_length(portal->stmts) != 1)
		return false;
	statement = linitial_node(PlannedStmt, portal->stmts);
	return statement->utilityStmt != NULL && nodeTag(statement->utilityStmt) == utility;
}

/* A procedure that is called goes on to use what its arguments have left. */
static bool
is_of_client(Portal portal)
{
	Portal		client = GetPortalByName("");

	if (client == NULL)
		return false;
	return portal == client ? !is_running(client, T_CallStmt) :
		!portal->visible && is_running(client, T_ExecuteStmt);
}

bool
top_level_call(FunctionCallInfo fcinfo)
{
	Portal		portal = ActivePortal;
	Node	   *call = fcinfo->flinfo->fn_expr;

	return portal != NULL && is_of_client(portal) &&
		MemoryContextGetParent(fcinfo->flinfo->fn_mcxt) == portal->portalContext &&
		call != NULL && IsA(call, FuncExpr) &&
		stands_at(portal->sourceText, castNode(FuncExpr, call)->location, fcinfo->flinfo->fn_oid);
}
