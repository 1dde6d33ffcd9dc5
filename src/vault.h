/*
 * vault.h
 *		Sealed secrets, and their one-time opening.
 */
#ifndef FALUKEYS_VAULT_H
#define FALUKEYS_VAULT_H

#include "postgres.h"

#include "apikey.h"
#include "binding.h"
#include "master_key.h"

/* Within a spi_owner_begin: make the one row of a secret. */
extern void vault_seal(const text *key_id, const PlainKey *key);
extern void vault_record_revealed(const text *key_id, const ApiKey *secret);

/*
 * The plaintext of a sealed secret: of a test one any time, of a live one once
 * ever.  The mark is on disk before this returns, whatever the transaction does.
 */
extern text *vault_reveal(const text *key_id, const ApiKey *secret, const text *saved_in);

/* Is this bytea one that vault_seal could have written? */
extern bool vault_seal_is_valid(const bytea *seal);

/* To be called when one is inserted, by us or by a restore. */
extern void vault_seal_arrives(const bytea *seal);

/* The master keys, made where there are none and nothing is sealed under them */
extern void vault_master_keys(MasterKeys *keys);

/*
 * For callers that have locked all others out of sealed_secrets: is anything
 * waiting to be revealed, and is any of it under another master key than the
 * first?
 */
extern bool vault_anything_is_sealed(void);
extern bool vault_anything_is_behind(const MasterKeys *keys);

/*
 * Seals everything anew under the first key, with the same bindings; or, with
 * adopting, only what is bound to another database, now bound to that one.
 * What cannot be opened stays as it is, and is counted.
 */
extern int64 vault_seal_anew(const MasterKeys *keys, const Binding *adopting, int64 *unopened);

/* The fixed length of first_saved_in, in bytes */
#define VAULT_SAVED_IN_LENGTH	192

#endif							/* FALUKEYS_VAULT_H */
