/*
 * top_level.h
 *		Whether a function is called by the client's own statement.
 */
#ifndef FALUKEYS_TOP_LEVEL_H
#define FALUKEYS_TOP_LEVEL_H

#include "postgres.h"

#include "fmgr.h"

/*
 * Is the call part of a query that the client has sent, and not of a function,
 * procedure or trigger that the query calls?  False where that is not certain.
 */
extern bool top_level_call(FunctionCallInfo fcinfo);

#endif							/* FALUKEYS_TOP_LEVEL_H */
