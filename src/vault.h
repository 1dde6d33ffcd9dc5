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

/* Within a spi_owner_begin: what a secret's one row says from now on. */
extern void vault_seal(const text *key_id, const PlainKey *key);
extern void vault_record_revealed(const text *key_id, const ApiKey *secret);

/*
 * The plaintext of a sealed secret: of a test one any time, of a live one once
 * ever.  The mark is on disk before this returns, whatever the transaction does.
 */
extern text *vault_reveal(const text *key_id, const ApiKey *secret, const text *saved_in);

/* Is this bytea one that vault_seal could have written? */
extern bool vault_seal_is_valid(const bytea *seal);

/* Such a one is inserted, by us or by a restore. */
extern void vault_seal_arrives(const bytea *seal);

/* The master keys, made where there are none and nothing is sealed under them */
extern void vault_master_keys(MasterKeys *keys);

/*
 * For who excludes all others from sealed_secrets: is anything waiting to be
 * revealed, under whatever master key; and is it under one that is not the first?
 */
extern bool vault_anything_is_sealed(void);
extern bool vault_anything_is_behind(const MasterKeys *keys);

/*
 * Seals every closed seal anew, under the first key, each bound to where it was
 * bound; or, adopting, only those that are bound to elsewhere, and to here from
 * now on.  What cannot be opened stays as it is, and is counted.
 */
extern int64 vault_seal_anew(const MasterKeys *keys, const Binding *adopting, int64 *unopened);

/* How many bytes first_saved_in always has */
#define VAULT_SAVED_IN_LENGTH	192

#endif							/* FALUKEYS_VAULT_H */
