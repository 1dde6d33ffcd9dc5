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

/* 22023, with a whole sentence, as errmsg takes it, that names the argument and what is allowed */
#define ARGUMENT_REFUSE(...) \
	ereport(ERROR, \
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), \
			 errmsg(__VA_ARGS__)))

/*
 * Limits of what callers store: texts and names in characters, arrays in
 * elements, a jsonb in bytes
 */
#define ARGUMENT_MAX_TEXT		1024
#define ARGUMENT_MAX_NAME		200
#define ARGUMENT_MAX_ELEMENTS	1000
#define ARGUMENT_MAX_META		65536

extern void argument_check_length(const char *name, const text *value, int limit);
extern void argument_check_meta(const char *name, Datum value);

extern void argument_require(FunctionCallInfo fcinfo, int number, const char *name);
extern text *argument_text(FunctionCallInfo fcinfo, int number, const char *name);

/* Ids, which may be of nothing; a key's text, or an id of the other sort, is refused without being shown */
extern text *argument_key_id(FunctionCallInfo fcinfo, int number);
extern text *argument_workspace(FunctionCallInfo fcinfo, int number);

/* What is going to be stored, within its limit; NULL, or 0, for a NULL */
extern text *argument_stored_text(FunctionCallInfo fcinfo, int number, const char *name);	/* keys in it masked */
extern ArrayType *argument_stored_array(FunctionCallInfo fcinfo, int number, const char *name);
extern Datum argument_stored_meta(FunctionCallInfo fcinfo, int number, const char *name);

/* An interval that begins now, in microseconds; less than 0 where it is negative or beyond the limit */
extern int64 argument_duration(FunctionCallInfo fcinfo, int number, int64 limit);

extern Oid	argument_role(FunctionCallInfo fcinfo, int number, const char *name);

#endif							/* FALUKEYS_ARGUMENT_H */
