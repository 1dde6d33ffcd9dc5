/*
 * seal.c
 *		A secret under AES-256-GCM, as column seal holds it.
 *
 * A seal is bound to its secret's handle and its key's id, so that it opens in
 * no other row, and that of a live secret to a database, so that it opens in no
 * other copy.
 */
#include "postgres.h"

#include "identifier.h"
#include "seal.h"

/* The associated data of the ciphertext */
typedef struct SealAssociated
{
	char		purpose[16];
	ApiKey		secret;
	Identifier	key_id;
	Binding		binding;
} SealAssociated;

static void
associate(SealAssociated *associated, const ApiKey *secret, const char *key_id,
		  const Binding *binding)
{
	memset(associated, 0, sizeof(SealAssociated));
	strlcpy(associated->purpose, "falukeys seal 1", sizeof(associated->purpose));
	associated->secret = *secret;
	strlcpy(associated->key_id.text, key_id, sizeof(associated->key_id.text));
	associated->binding = *binding;
}

void
seal_close(Seal *seal, const MasterKey *key, const ApiKey *secret, const char *key_id,
		   const Binding *binding, const char *plaintext)
{
	SealAssociated associated;

	memset(seal, 0, sizeof(Seal));
	seal->version = SEAL_VERSION;
	seal->state = SEAL_CLOSED;
	memcpy(seal->fingerprint, key->fingerprint, MASTER_KEY_FINGERPRINT_LENGTH);
	seal->binding = *binding;
	crypto_random(seal->nonce, CRYPTO_NONCE_LENGTH);
	associate(&associated, secret, key_id, binding);
	crypto_seal(key->sealing_key, seal->nonce, &associated, sizeof(associated),
				plaintext, KEY_GENERATED_LENGTH, seal->ciphertext, seal->tag);
}

OpenResult
seal_open(const Seal *seal, const MasterKeys *keys, const ApiKey *secret,
		  const char *key_id, char plaintext[KEY_GENERATED_LENGTH])
{
	const MasterKey *key = master_key_find(keys, seal->fingerprint);
	SealAssociated associated;

	if (seal->state != SEAL_CLOSED)
		return OPEN_SPENT;
	if (key == NULL)
		return OPEN_UNKNOWN_MASTER_KEY;
	associate(&associated, secret, key_id, &seal->binding);
	if (!crypto_open(key->sealing_key, seal->nonce, &associated, sizeof(associated),
					 seal->ciphertext, KEY_GENERATED_LENGTH, seal->tag, plaintext))
		return OPEN_DAMAGED;
	return OPEN_DONE;
}
