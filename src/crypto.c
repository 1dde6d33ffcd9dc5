/*
 * crypto.c
 *		All cryptography and randomness, by OpenSSL.
 *
 * No other room includes an OpenSSL header.  This one calls the server only to
 * report errors; what OpenSSL's error queue holds goes to no one, since it
 * could describe secret input.
 */
#include "postgres.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "crypto.h"
#include "key_format.h"

/* Bytes from this one on would favour the first digits, so they are drawn again. */
#define BASE62_UNBIASED_LIMIT	(62 * 4)

static void
crypto_failed(const char *what)
{
	ERR_clear_error();
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg_internal("%s", what)));
}

void
crypto_random(void *buffer, size_t length)
{
	if (RAND_priv_bytes(buffer, (int) length) != 1)
		crypto_failed("OpenSSL could not generate random bytes");
}

/* Uniform base62 characters, not terminated. */
void
crypto_random_base62(char *out, size_t length)
{
	uint8		pool[64];
	size_t		done = 0;

	while (done < length)
	{
		crypto_random(pool, sizeof(pool));
		for (size_t i = 0; i < sizeof(pool) && done < length; i++)
		{
			if (pool[i] < BASE62_UNBIASED_LIMIT)
				out[done++] = key_format_base62_digits[pool[i] % 62];
		}
	}
	crypto_cleanse(pool, sizeof(pool));
}

/*
 * The digest is fetched and its context made once a backend: fetching it at
 * each call would cost more than hashing a key does.
 */
void
crypto_sha256(const void *data, size_t length, uint8 digest[CRYPTO_DIGEST_LENGTH])
{
	static EVP_MD *sha256 = NULL;
	static EVP_MD_CTX *context = NULL;

	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (context == NULL)
		context = EVP_MD_CTX_new();

	if (sha256 == NULL || context == NULL ||
		EVP_DigestInit_ex2(context, sha256, NULL) != 1 ||
		EVP_DigestUpdate(context, data, length) != 1 ||
		EVP_DigestFinal_ex(context, digest, NULL) != 1)
		crypto_failed("OpenSSL could not compute a SHA-256 digest");
}

bool
crypto_equal(const void *a, const void *b, size_t length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}

void
crypto_cleanse(void *buffer, size_t length)
{
	OPENSSL_cleanse(buffer, length);
}

void
crypto_derive(const uint8 key[CRYPTO_KEY_LENGTH], const char *info,
			  uint8 *out, size_t out_length)
{
	EVP_KDF    *hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *) "SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *) key, CRYPTO_KEY_LENGTH),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *) info, strlen(info)),
		OSSL_PARAM_construct_end()
	};
	bool		derived;

	derived = context != NULL && EVP_KDF_derive(context, out, out_length, params) == 1;
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(hkdf);
	if (!derived)
		crypto_failed("OpenSSL could not derive a key");
}

void
crypto_seal(const uint8 key[CRYPTO_KEY_LENGTH], const uint8 nonce[CRYPTO_NONCE_LENGTH],
			const void *associated, size_t associated_length,
			const void *plaintext, size_t length,
			uint8 *ciphertext, uint8 tag[CRYPTO_TAG_LENGTH])
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int			written;
	bool		sealed;

	sealed = context != NULL &&
		EVP_EncryptInit_ex2(context, EVP_aes_256_gcm(), key, nonce, NULL) == 1 &&
		EVP_EncryptUpdate(context, NULL, &written, associated, (int) associated_length) == 1 &&
		EVP_EncryptUpdate(context, ciphertext, &written, plaintext, (int) length) == 1 &&
		EVP_EncryptFinal_ex(context, ciphertext + written, &written) == 1 &&
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG_LENGTH, tag) == 1;
	EVP_CIPHER_CTX_free(context);
	if (!sealed)
		crypto_failed("OpenSSL could not encrypt a secret");
}

bool
crypto_open(const uint8 key[CRYPTO_KEY_LENGTH], const uint8 nonce[CRYPTO_NONCE_LENGTH],
			const void *associated, size_t associated_length,
			const uint8 *ciphertext, size_t length,
			const uint8 tag[CRYPTO_TAG_LENGTH], void *plaintext)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int			written;
	bool		prepared;
	bool		authentic;

	prepared = context != NULL &&
		EVP_DecryptInit_ex2(context, EVP_aes_256_gcm(), key, nonce, NULL) == 1 &&
		EVP_DecryptUpdate(context, NULL, &written, associated, (int) associated_length) == 1 &&
		EVP_DecryptUpdate(context, plaintext, &written, ciphertext, (int) length) == 1 &&
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG_LENGTH, (void *) tag) == 1;
	authentic = prepared &&
		EVP_DecryptFinal_ex(context, (uint8 *) plaintext + written, &written) == 1;
	EVP_CIPHER_CTX_free(context);
	ERR_clear_error();

	/* What did not authenticate must not be seen. */
	if (!authentic)
		crypto_cleanse(plaintext, length);
	if (!prepared)
		crypto_failed("OpenSSL could not decrypt a secret");
	return authentic;
}
