/*
 * vault.h
 *		Sealed secrets, and their one-time opening.
 */
#ifndef FALUKEYS_VAULT_H
#define FALUKEYS_VAULT_H

#include "postgres.h"

#include "apikey.h"

/* Within a statement_begin: what a secret's one row says from now on. */
extern void vault_seal(const text *key_id, const PlainKey *key);
extern void vault_record_revealed(const text *key_id, const ApiKey *secret);

/* Is there a row for this secret?  Then it was made here. */
extern bool vault_holds(const ApiKey *secret);

/*
 * The plaintext of a sealed secret: of a test one any time, of a live one once
 * ever.  The mark is on disk before this returns, whatever the transaction does.
 */
extern text *vault_reveal(const text *key_id, const ApiKey *secret, const text *saved_in);

/* Is this bytea one that vault_seal could have written? */
extern bool vault_seal_is_valid(const bytea *seal);

/* How many bytes first_saved_in always has */
#define VAULT_SAVED_IN_LENGTH	192

#endif							/* FALUKEYS_VAULT_H */
