/*
 * crypto.h
 *		All cryptography and randomness, by OpenSSL.
 */
#ifndef FALUKEYS_CRYPTO_H
#define FALUKEYS_CRYPTO_H

#include "postgres.h"

#define CRYPTO_DIGEST_LENGTH	32	/* SHA-256 */
#define CRYPTO_KEY_LENGTH		32	/* AES-256 */
#define CRYPTO_NONCE_LENGTH		12	/* GCM */
#define CRYPTO_TAG_LENGTH		16	/* GCM */

extern void crypto_random(void *buffer, size_t length);
extern void crypto_random_base62(char *out, size_t length);
extern void crypto_sha256(const void *data, size_t length, uint8 digest[CRYPTO_DIGEST_LENGTH]);
extern bool crypto_equal(const void *a, const void *b, size_t length);
extern void crypto_cleanse(void *buffer, size_t length);

/* HKDF-SHA256 of a 32-byte key for the purpose that `info` names. */
extern void crypto_derive(const uint8 key[CRYPTO_KEY_LENGTH], const char *info,
						  uint8 *out, size_t out_length);

/* AES-256-GCM.  crypto_open answers false where the tag does not fit. */
extern void crypto_seal(const uint8 key[CRYPTO_KEY_LENGTH],
						const uint8 nonce[CRYPTO_NONCE_LENGTH],
						const void *associated, size_t associated_length,
						const void *plaintext, size_t length,
						uint8 *ciphertext, uint8 tag[CRYPTO_TAG_LENGTH]);
extern bool crypto_open(const uint8 key[CRYPTO_KEY_LENGTH],
						const uint8 nonce[CRYPTO_NONCE_LENGTH],
						const void *associated, size_t associated_length,
						const uint8 *ciphertext, size_t length,
						const uint8 tag[CRYPTO_TAG_LENGTH], void *plaintext);

#endif							/* FALUKEYS_CRYPTO_H */
