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
 * Notes about this database, for others: that everything in it is sealed under
 * this key, which holds once the transaction has committed; that from now on
 * something may be under another key; and the key that was noted, if any.
 */
extern void neighbours_tell(const MasterKey *key);
extern void neighbours_take_back(const uint8 fingerprint[MASTER_KEY_FINGERPRINT_LENGTH]);
extern bool neighbours_told(uint8 fingerprint[MASTER_KEY_FINGERPRINT_LENGTH]);

/* Would the note wrongly say that a key is not needed here? */
extern bool neighbours_would_err(const uint8 fingerprint[MASTER_KEY_FINGERPRINT_LENGTH]);

/* Does this database have a note, and does another one? */
extern bool neighbours_know(void);
extern bool neighbours_have_sealed(void);

/*
 * How many of the keys, from the first, other databases may need; and the names
 * of those that may need more than the first.
 */
extern int	neighbours_need(const MasterKeys *keys, StringInfo names);

#endif							/* FALUKEYS_NEIGHBOURS_H */
