/*
 * texts.h
 *		Texts as they may be stored: in our encoding, without keys, not too long.
 */
#ifndef FALUKEYS_TEXTS_H
#define FALUKEYS_TEXTS_H

#include "postgres.h"

/* Masks the keys in a text of any length, and cuts the result to so many characters. */
extern text *texts_cut(const char *value, size_t length, int limit);

/*
 * For text whose encoding the server did not check, such as settings and names
 * of roles.  If it is not valid here, everything but ASCII becomes question
 * marks, or else no dump of it could be restored.
 */
extern const char *texts_valid(const char *value);

/* The name of a role, which may have been created in a database of another encoding */
extern const char *texts_role_name(Oid role);

#endif							/* FALUKEYS_TEXTS_H */
