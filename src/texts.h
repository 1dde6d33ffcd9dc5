/*
 * texts.h
 *		Texts as they may be stored: in our encoding, without keys, not too long.
 */
#ifndef FALUKEYS_TEXTS_H
#define FALUKEYS_TEXTS_H

#include "postgres.h"

/* Text of any length with the keys in it masked, of which no more is kept than a limit */
extern text *texts_cut(const char *value, size_t length, int limit);

/*
 * What the server took from the client, or has from another database, without
 * looking at its encoding: where it is not of ours, question marks stand for all
 * that is not ASCII.  A dump with anything else in it could not be restored.
 */
extern const char *texts_valid(const char *value);

/* A role's name, which may come from a database of another encoding, as it may be stored here */
extern const char *texts_role_name(Oid role);

#endif							/* FALUKEYS_TEXTS_H */
