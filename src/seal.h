/*
 * seal.h
 *		A secret under AES-256-GCM, as column seal holds it.
 */
#ifndef FALUKEYS_SEAL_H
#define FALUKEYS_SEAL_H

#include "postgres.h"

#include "apikey.h"
#include "binding.h"
#include "master_key.h"

#define SEAL_VERSION	1

#define SEAL_CLOSED		1		/* holds a ciphertext */
#define SEAL_SPENT		2		/* held one, or never did: zeros */

/* The content of column seal, as on disk; only bytes, so no padding */
typedef struct Seal
{
	uint8		version;
	uint8		state;
	uint8		fingerprint[MASTER_KEY_FINGERPRINT_LENGTH];
	Binding		binding;		/* zeros for a test secret */
	uint8		nonce[CRYPTO_NONCE_LENGTH];
	uint8		tag[CRYPTO_TAG_LENGTH];
	uint8		ciphertext[KEY_GENERATED_LENGTH];
} Seal;

StaticAssertDecl(sizeof(Seal) == 104, "a seal has no padding");

typedef enum OpenResult
{
	OPEN_DONE,
	OPEN_SPENT,
	OPEN_ELSEWHERE,				/* bound to another database */
	OPEN_UNKNOWN_MASTER_KEY,
	OPEN_DAMAGED
} OpenResult;

extern void seal_close(Seal *seal, const MasterKey *key, const ApiKey *secret, const char *key_id,
					   const Binding *binding, const char *plaintext);

/*
 * Opens with the binding that the seal carries; the caller checks whether that
 * is this database.
 */
extern OpenResult seal_open(const Seal *seal, const MasterKeys *keys, const ApiKey *secret,
							const char *key_id, char plaintext[KEY_GENERATED_LENGTH]);

#endif							/* FALUKEYS_SEAL_H */
