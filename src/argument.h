/*
 * argument.h
 *		Arguments of SQL functions: refused by name, shown without key text.
 */
#ifndef FALUKEYS_ARGUMENT_H
#define FALUKEYS_ARGUMENT_H

#include "postgres.h"

#include "fmgr.h"

#include "compat.h"

/* Text that came from a caller, as it may stand in a message */
extern const char *argument_shown(const text *value);

pg_noreturn extern void argument_refuse(const char *name, const char *allowed);

extern void argument_require(FunctionCallInfo fcinfo, int number, const char *name);
extern text *argument_text(FunctionCallInfo fcinfo, int number, const char *name);

/* NULL for a NULL; keys in it masked, as it is going to be stored */
extern text *argument_stored_text(FunctionCallInfo fcinfo, int number);

extern Oid	argument_role(FunctionCallInfo fcinfo, int number, const char *name);

#endif							/* FALUKEYS_ARGUMENT_H */
