/*
 * neighbours.h
 *		Which master keys the other databases of the server may need.
 */
#ifndef FALUKEYS_NEIGHBOURS_H
#define FALUKEYS_NEIGHBOURS_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "master_key.h"

/*
 * That all that is sealed in this database is under this key, from the end of
 * the transaction on; that from now on something may be under another one; and
 * what was said, if anything.
 */
extern void neighbours_tell(const MasterKey *key);
extern void neighbours_take_back(const uint8 fingerprint[MASTER_KEY_FINGERPRINT_LENGTH]);
extern bool neighbours_told(uint8 fingerprint[MASTER_KEY_FINGERPRINT_LENGTH]);

/* Would they take a key for not needed here that something is sealed under? */
extern bool neighbours_would_err(const uint8 fingerprint[MASTER_KEY_FINGERPRINT_LENGTH]);

/* Has this database been told anything, and has another one? */
extern bool neighbours_know(void);
extern bool neighbours_have_sealed(void);

/*
 * How many of the keys, from the first, other databases may need; and the names
 * of those that may need more than the first.
 */
extern int	neighbours_need(const MasterKeys *keys, StringInfo names);

#endif							/* FALUKEYS_NEIGHBOURS_H */
