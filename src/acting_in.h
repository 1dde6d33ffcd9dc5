/*
 * acting_in.h
 *		The one workspace that a session has narrowed itself to.
 */
#ifndef FALUKEYS_ACTING_IN_H
#define FALUKEYS_ACTING_IN_H

#include "postgres.h"

#include "utils/guc.h"

/* The setting; empty: not narrowed */
extern char *acting_in;
extern bool acting_in_check(char **newval, void **extra, GucSource source);

/* From now on, setting a value that cannot be an id is an error. */
extern void acting_in_is_defined(void);

extern bool acting_in_is_set(void);

/* The workspace; NULL where the setting is not an id, which excludes every workspace */
extern text *acting_in_workspace(void);

/* False where the session is not narrowed */
extern bool acting_in_excludes(const text *workspace);

/* For ereport: the same text, whether the named object exists or not */
extern int	acting_in_hint(void);

#endif							/* FALUKEYS_ACTING_IN_H */
