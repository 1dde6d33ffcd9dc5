/*
 * result.h
 *		The row that a function returns.
 */
#ifndef FALUKEYS_RESULT_H
#define FALUKEYS_RESULT_H

#include "postgres.h"

#include "fmgr.h"

#define RESULT_MAX_COLUMNS	8
#define RESULT_ENUM			InvalidOid	/* one of our enums, as a column's type */

/*
 * What a function knows to answer.  Its row type may have gained columns since,
 * by hand or by an upgrade under a running session: they are NULL.
 */
typedef struct ResultColumns
{
	int			count;
	Oid			types[RESULT_MAX_COLUMNS];
	uint64		known;			/* which version of the type has just these; 0: none that we know of */
} ResultColumns;

/* Looks the row type up, for a result_row that comes later */
extern void result_prepare(FunctionCallInfo fcinfo, ResultColumns *columns);

extern Datum result_row(FunctionCallInfo fcinfo, ResultColumns *columns,
						Datum *values, bool *nulls);

#endif							/* FALUKEYS_RESULT_H */
