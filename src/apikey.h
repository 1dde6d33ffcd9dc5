/*
 * apikey.h
 *		The type apikey: a key that cannot be read back.
 */
#ifndef FALUKEYS_APIKEY_H
#define FALUKEYS_APIKEY_H

#include "postgres.h"

#include "fmgr.h"

#include "crypto.h"
#include "key_format.h"

/* The value, also on disk and in the binary protocol: 40 bytes without padding. */
typedef struct ApiKey
{
	uint8		digest[CRYPTO_DIGEST_LENGTH];	/* SHA-256 of the whole key text */
	char		kind;			/* as in KeyParts */
	char		mode;
	char		last_four[KEY_LAST_FOUR];
	uint8		reserved[2];	/* zero */
} ApiKey;

StaticAssertDecl(sizeof(ApiKey) == 40, "an apikey is 40 bytes");

#define DatumGetApiKeyP(datum)	((ApiKey *) DatumGetPointer(datum))
#define ApiKeyPGetDatum(key)	PointerGetDatum(key)
#define PG_GETARG_APIKEY_P(n)	DatumGetApiKeyP(PG_GETARG_DATUM(n))

/* A key just made */
typedef struct PlainKey
{
	char		text[KEY_GENERATED_LENGTH + 1];
	ApiKey		handle;
} PlainKey;

extern KeyFormatError apikey_from_text(const char *text, size_t length, ApiKey *key);

/* The same for a text that has been taken apart, whatever its checksum */
extern void apikey_from_parts(const char *text, size_t length, const KeyParts *parts, ApiKey *key);

/*
 * In the current memory context.  It is cleansed when the context is reset,
 * also by an error.
 */
extern PlainKey *apikey_generate(char kind, char mode);

/* Does a text begin as a key or as its stored form, well-formed or not? */
extern bool apikey_begins(const text *value);

/* For key_format: so that what takes long can be cancelled */
extern void apikey_pause(void);

/* Any text that a caller wants stored, with every key in it masked; itself where it has none. */
extern text *apikey_redact_text(text *source);

#endif							/* FALUKEYS_APIKEY_H */
