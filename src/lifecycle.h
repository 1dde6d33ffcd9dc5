/*
 * lifecycle.h
 *		From one secret to the next.
 */
#ifndef FALUKEYS_LIFECYCLE_H
#define FALUKEYS_LIFECYCLE_H

#include "postgres.h"

#include "apikey.h"
#include "store.h"

/* Within a statement_begin: locks a key's row, and reads it as it is then. */
extern void lifecycle_lock_key(const text *key_id, KeyFacts *facts);

/* Puts a new secret in the place of the one in facts, which is retired. */
extern void lifecycle_replace_secret(const text *key_id, const KeyFacts *facts,
									 const PlainKey *key, TimestampTz valid_until,
									 TimestampTz compromised_at);

#endif							/* FALUKEYS_LIFECYCLE_H */
