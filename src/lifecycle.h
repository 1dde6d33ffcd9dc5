/*
 * lifecycle.h
 *		From one secret to the next.
 */
#ifndef FALUKEYS_LIFECYCLE_H
#define FALUKEYS_LIFECYCLE_H

#include "postgres.h"

#include "apikey.h"
#include "precedence.h"
#include "store.h"

/*
 * Within a spi_owner_begin: locks the row of a key that current_user may
 * change.  A key that was purged since is refused like one that never existed.
 */
extern void lifecycle_lock_key(PrecedenceRow row, const text *key_id, const char *stop);

/* Replaces the secret in facts by a new one, and retires it. */
extern void lifecycle_replace_secret(const text *key_id, const KeyFacts *facts,
									 const PlainKey *key, TimestampTz valid_until,
									 TimestampTz compromised_at);

#endif							/* FALUKEYS_LIFECYCLE_H */
