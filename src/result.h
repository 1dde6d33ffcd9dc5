/*
 * result.h
 *		The row that a function returns.
 */
#ifndef FALUKEYS_RESULT_H
#define FALUKEYS_RESULT_H

#include "postgres.h"

#include "fmgr.h"

/* As many values as the function has result columns */
extern Datum result_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

#endif							/* FALUKEYS_RESULT_H */
