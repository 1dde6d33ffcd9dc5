/*
 * acting_in.h
 *		The one workspace that a session has narrowed itself to.
 */
#ifndef FALUKEYS_ACTING_IN_H
#define FALUKEYS_ACTING_IN_H

#include "postgres.h"

#include "utils/guc.h"

/* The setting: empty where nothing is narrowed */
extern char *acting_in;
extern bool acting_in_check(char **newval, void **extra, GucSource source);

/* From now on, a value that cannot be an id is an error where someone sets it. */
extern void acting_in_is_defined(void);

extern bool acting_in_is_set(void);

/* The workspace, or NULL where the setting is no id: no workspace is left then. */
extern text *acting_in_workspace(void);

/* False where nothing is narrowed */
extern bool acting_in_excludes(const text *workspace);

/* For ereport: says the same whatever was named, there or not. */
extern int	acting_in_hint(void);

#endif							/* FALUKEYS_ACTING_IN_H */
