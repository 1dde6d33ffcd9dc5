/*
 * top_level.c
 *		Whether a function is called by the client's own statement.
 *
 * What the client sends runs in the unnamed portal, in the memory of that
 * portal's query.  Functions run queries of their own, in other memory, and their
 * cursors have names.  That leaves SQL functions whose body the planner has
 * inlined: a call in such a body has a location in another text.
 */
#include "postgres.h"

#include "executor/execdesc.h"
#include "nodes/execnodes.h"
#include "nodes/primnodes.h"
#include "tcop/pquery.h"
#include "utils/lsyscache.h"
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

bool
top_level_call(FunctionCallInfo fcinfo)
{
	Portal		portal = ActivePortal;
	Node	   *call = fcinfo->flinfo->fn_expr;

	return portal != NULL && portal->name[0] == '\0' &&
		portal->queryDesc != NULL && portal->queryDesc->estate != NULL &&
		portal->queryDesc->estate->es_query_cxt == fcinfo->flinfo->fn_mcxt &&
		call != NULL && IsA(call, FuncExpr) &&
		stands_at(portal->sourceText, castNode(FuncExpr, call)->location, fcinfo->flinfo->fn_oid);
}
