/*
 * argument.h
 *		Arguments of SQL functions: refused by name, shown without key text.
 */
#ifndef FALUKEYS_ARGUMENT_H
#define FALUKEYS_ARGUMENT_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"

#include "compat.h"

/* Text that came from a caller, as it may stand in a message */
extern const char *argument_shown(const text *value);

pg_noreturn extern void argument_refuse(const char *name, const char *allowed);

/*
 * How long the texts may be that callers store, in characters, how many elements
 * their arrays may have, and how large a jsonb may be, in bytes
 */
#define ARGUMENT_MAX_TEXT		1024
#define ARGUMENT_MAX_NAME		200
#define ARGUMENT_MAX_ELEMENTS	1000
#define ARGUMENT_MAX_META		65536

extern void argument_check_length(const char *name, const text *value, int limit);
extern void argument_check_meta(const char *name, Datum value);

/* Text of any length with the keys in it masked, of which no more is kept than a limit */
extern text *argument_cut(const char *value, size_t length, int limit);

extern void argument_require(FunctionCallInfo fcinfo, int number, const char *name);
extern text *argument_text(FunctionCallInfo fcinfo, int number, const char *name);

/* What is going to be stored, within its limit; NULL, or 0, for a NULL */
extern text *argument_stored_text(FunctionCallInfo fcinfo, int number, const char *name);	/* keys in it masked */
extern ArrayType *argument_stored_array(FunctionCallInfo fcinfo, int number, const char *name);
extern Datum argument_stored_meta(FunctionCallInfo fcinfo, int number, const char *name);

/*
 * What the server took from the client, or has from another database, without
 * looking at its encoding: where it is not of ours, question marks stand for all
 * that is not ASCII.  A dump with anything else in it could not be restored.
 */
extern const char *argument_valid(const char *value);

/* A role's name, which may come from a database of another encoding, as it may be stored here */
extern const char *argument_role_name(Oid role);

extern Oid	argument_role(FunctionCallInfo fcinfo, int number, const char *name);

#endif							/* FALUKEYS_ARGUMENT_H */
