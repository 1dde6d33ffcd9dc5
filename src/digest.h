/*
 * digest.h
 *		Whether a digest is taken: by a key, or by a secret that a key had before.
 */
#ifndef FALUKEYS_DIGEST_H
#define FALUKEYS_DIGEST_H

#include "postgres.h"

#include "storage/itemptr.h"

#include "apikey.h"

/*
 * Does another row of keys, or of retired_secrets, have this digest?  Both
 * wait for transactions that are writing or deleting such a row.
 */
extern bool digest_is_in_keys(const ApiKey *secret, const ItemPointerData *except);
extern bool digest_is_retired(const ApiKey *secret, const ItemPointerData *except);

#endif							/* FALUKEYS_DIGEST_H */
