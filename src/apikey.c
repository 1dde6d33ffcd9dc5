/*
 * apikey.c
 *		The type apikey: a key that cannot be read back.
 *
 * No error of this room shows any of the input, since the input may be a key.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "apikey.h"
#include "catalog.h"
#include "compat.h"

/* "fskt_****u8Ys:" and the digest in hexadecimal */
#define STORED_FORM_LENGTH	(KEY_REDACTED_LENGTH + 1 + 2 * CRYPTO_DIGEST_LENGTH)

PG_FUNCTION_INFO_V1(apikey_in);
PG_FUNCTION_INFO_V1(apikey_out);
PG_FUNCTION_INFO_V1(apikey_recv);
PG_FUNCTION_INFO_V1(apikey_send);
PG_FUNCTION_INFO_V1(apikey_eq);
PG_FUNCTION_INFO_V1(apikey_ne);
PG_FUNCTION_INFO_V1(apikey_lt);
PG_FUNCTION_INFO_V1(apikey_le);
PG_FUNCTION_INFO_V1(apikey_gt);
PG_FUNCTION_INFO_V1(apikey_ge);
PG_FUNCTION_INFO_V1(apikey_cmp);
PG_FUNCTION_INFO_V1(apikey_hash);
PG_FUNCTION_INFO_V1(apikey_hash_extended);
PG_FUNCTION_INFO_V1(apikey_kind_of);
PG_FUNCTION_INFO_V1(apikey_mode_of);
PG_FUNCTION_INFO_V1(apikey_redacted);
PG_FUNCTION_INFO_V1(apikey_of_text);
PG_FUNCTION_INFO_V1(apikey_is_well_formed);
PG_FUNCTION_INFO_V1(apikey_redact);

void
apikey_from_parts(const char *text, size_t length, const KeyParts *parts, ApiKey *key)
{
	memset(key, 0, sizeof(ApiKey));
	crypto_sha256(text, length, key->digest);
	key->kind = parts->kind;
	key->mode = parts->mode;
	memcpy(key->last_four, parts->last_four, KEY_LAST_FOUR);
}

/* The handle of a plaintext key, if text is one. */
KeyFormatError
apikey_from_text(const char *text, size_t length, ApiKey *key)
{
	KeyParts	parts;
	KeyFormatError error = key_format_parse(text, length, &parts);

	if (error == KEY_FORMAT_OK)
		apikey_from_parts(text, length, &parts, key);
	return error;
}

/* Memory with a key's text, and the callback that cleanses it */
typedef struct OwnedKey
{
	PlainKey	key;
	MemoryContextCallback callback;
} OwnedKey;

static void
cleanse_key(void *key)
{
	crypto_cleanse(key, sizeof(PlainKey));
}

PlainKey *
apikey_generate(char kind, char mode)
{
	OwnedKey   *owned = palloc0(sizeof(OwnedKey));
	PlainKey   *key = &owned->key;
	char	   *checksum = key->text + KEY_PREFIX_LENGTH + KEY_RANDOM_LENGTH;

	owned->callback.func = cleanse_key;
	owned->callback.arg = key;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &owned->callback);

	snprintf(key->text, sizeof(key->text), "f%ck%c_", kind, mode);
	crypto_random_base62(key->text + KEY_PREFIX_LENGTH, KEY_RANDOM_LENGTH);
	key_format_checksum(key->text, KEY_PREFIX_LENGTH + KEY_RANDOM_LENGTH, checksum);
	key->text[KEY_GENERATED_LENGTH] = '\0';

	if (apikey_from_text(key->text, KEY_GENERATED_LENGTH, &key->handle) != KEY_FORMAT_OK)
		elog(ERROR, "a generated key is malformed");
	return key;
}

bool
apikey_begins(const text *value)
{
	KeyParts	parts;

	return key_format_parse(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &parts) !=
		KEY_FORMAT_BAD_PREFIX;
}

/* A text may be a gigabyte long. */
void
apikey_pause(void)
{
	CHECK_FOR_INTERRUPTS();
}

text *
apikey_redact_text(text *source)
{
	size_t		length = VARSIZE_ANY_EXHDR(source);
	size_t		first;
	text	   *result;

	/* Most texts have none, and need no copy. */
	if (!key_format_next_prefix(VARDATA_ANY(source), length, 0, apikey_pause, &first))
		return source;

	result = palloc(VARHDRSZ + length);
	length = key_format_redact_text(VARDATA_ANY(source), length, VARDATA(result),
									apikey_pause);
	SET_VARSIZE(result, VARHDRSZ + length);
	return result;
}

static bool
apikey_is_valid(const ApiKey *key)
{
	if (strchr("pst", key->kind) == NULL || key->kind == '\0' ||
		(key->mode != 't' && key->mode != 'l') ||
		key->reserved[0] != 0 || key->reserved[1] != 0)
		return false;
	for (int i = 0; i < KEY_LAST_FOUR; i++)
	{
		if (!key_format_is_base62(key->last_four[i]))
			return false;
	}
	return true;
}

static KeyParts
apikey_parts(const ApiKey *key)
{
	KeyParts	parts = {.kind = key->kind,.mode = key->mode,.checksum = KEY_CHECKSUM_NONE};

	memcpy(parts.last_four, key->last_four, KEY_LAST_FOUR);
	return parts;
}

/* The stored form, exactly as apikey_out writes it. */
static bool
apikey_from_stored_form(const char *text, size_t length, ApiKey *key)
{
	const char *hex = text + KEY_REDACTED_LENGTH + 1;

	if (length != STORED_FORM_LENGTH ||
		text[0] != 'f' || text[2] != 'k' ||
		strncmp(text + 4, "_****", 5) != 0 ||
		text[KEY_REDACTED_LENGTH] != ':' ||
		strspn(hex, "0123456789abcdef") != 2 * CRYPTO_DIGEST_LENGTH)
		return false;

	memset(key, 0, sizeof(ApiKey));
	key->kind = text[1];
	key->mode = text[3];
	memcpy(key->last_four, text + KEY_REDACTED_LENGTH - KEY_LAST_FOUR, KEY_LAST_FOUR);
	(void) hex_decode(hex, 2 * CRYPTO_DIGEST_LENGTH, (char *) key->digest);
	return apikey_is_valid(key);
}

static const char *
explain_input(const char *input, KeyFormatError error)
{
	if (error != KEY_FORMAT_BAD_PREFIX && strncmp(input + KEY_PREFIX_LENGTH, "****", 4) == 0)
		return gettext_noop("A stored form has four letters or digits, a colon and 64 lower-case hexadecimal digits after its asterisks.");
	return key_format_explain(error);
}

Datum
apikey_in(PG_FUNCTION_ARGS)
{
	char	   *input = PG_GETARG_CSTRING(0);
	size_t		length = strlen(input);
	ApiKey	   *key = palloc(sizeof(ApiKey));
	KeyFormatError error;

	if (apikey_from_stored_form(input, length, key))
		PG_RETURN_POINTER(key);

	error = apikey_from_text(input, length, key);
	if (error != KEY_FORMAT_OK)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s", "apikey"),
				 errdetail("%s", _(explain_input(input, error))),
				 errhint("Give a plaintext key, or its stored form, such as \"fskt_****9aQ2:\" and the %d lower-case hexadecimal digits of the whole key's SHA-256.",
						 2 * CRYPTO_DIGEST_LENGTH)));
	PG_RETURN_POINTER(key);
}

Datum
apikey_out(PG_FUNCTION_ARGS)
{
	ApiKey	   *key = PG_GETARG_APIKEY_P(0);
	KeyParts	parts = apikey_parts(key);
	char	   *result = palloc(STORED_FORM_LENGTH + 1);
	char	   *hex = result + KEY_REDACTED_LENGTH + 1;

	key_format_redacted(&parts, result);
	result[KEY_REDACTED_LENGTH] = ':';
	(void) hex_encode((const char *) key->digest, CRYPTO_DIGEST_LENGTH, hex);
	result[STORED_FORM_LENGTH] = '\0';
	PG_RETURN_CSTRING(result);
}

Datum
apikey_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	ApiKey	   *key = palloc(sizeof(ApiKey));
	/* For a wrong length, pq_copymsgbytes would raise another error. */
	bool		right_length = buffer->len - buffer->cursor == sizeof(ApiKey);

	if (right_length)
		pq_copymsgbytes(buffer, (char *) key, sizeof(ApiKey));
	if (!right_length || !apikey_is_valid(key))
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid binary representation of type %s", "apikey")));
	PG_RETURN_POINTER(key);
}

Datum
apikey_send(PG_FUNCTION_ARGS)
{
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbytes(&buffer, (char *) PG_GETARG_APIKEY_P(0), sizeof(ApiKey));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

static int
apikey_compare(FunctionCallInfo fcinfo)
{
	return memcmp(PG_GETARG_APIKEY_P(0), PG_GETARG_APIKEY_P(1), sizeof(ApiKey));
}

static bool
apikey_equals(FunctionCallInfo fcinfo)
{
	return crypto_equal(PG_GETARG_APIKEY_P(0), PG_GETARG_APIKEY_P(1), sizeof(ApiKey));
}

Datum
apikey_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(apikey_equals(fcinfo));
}

Datum
apikey_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!apikey_equals(fcinfo));
}

Datum
apikey_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(apikey_compare(fcinfo) < 0);
}

Datum
apikey_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(apikey_compare(fcinfo) <= 0);
}

Datum
apikey_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(apikey_compare(fcinfo) > 0);
}

Datum
apikey_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(apikey_compare(fcinfo) >= 0);
}

Datum
apikey_cmp(PG_FUNCTION_ARGS)
{
	int			order = apikey_compare(fcinfo);

	PG_RETURN_INT32((order > 0) - (order < 0));
}

/* A digest's first bytes are as good a hash as any function could make of them. */
Datum
apikey_hash(PG_FUNCTION_ARGS)
{
	uint32		hash;

	memcpy(&hash, PG_GETARG_APIKEY_P(0)->digest, sizeof(hash));
	PG_RETURN_UINT32(hash);
}

/* With seed 0 the low 32 bits must be those of apikey_hash. */
Datum
apikey_hash_extended(PG_FUNCTION_ARGS)
{
	ApiKey	   *key = PG_GETARG_APIKEY_P(0);
	uint64		seed = (uint64) PG_GETARG_INT64(1);
	uint32		low;
	uint32		high;

	if (seed != 0)
		return hash_any_extended(key->digest, CRYPTO_DIGEST_LENGTH, seed);

	memcpy(&low, key->digest, sizeof(low));
	memcpy(&high, key->digest + sizeof(low), sizeof(high));
	PG_RETURN_UINT64((uint64) high << 32 | low);
}

Datum
apikey_kind_of(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(catalog_kind_oid(PG_GETARG_APIKEY_P(0)->kind));
}

Datum
apikey_mode_of(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(catalog_mode_oid(PG_GETARG_APIKEY_P(0)->mode));
}

Datum
apikey_redacted(PG_FUNCTION_ARGS)
{
	KeyParts	parts = apikey_parts(PG_GETARG_APIKEY_P(0));
	char		redacted[KEY_REDACTED_LENGTH];

	key_format_redacted(&parts, redacted);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(redacted, KEY_REDACTED_LENGTH));
}

Datum
apikey_of_text(PG_FUNCTION_ARGS)
{
	text	   *input = PG_GETARG_TEXT_PP(0);
	ApiKey	   *key = palloc(sizeof(ApiKey));
	KeyFormatError error = apikey_from_text(VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), key);

	if (error != KEY_FORMAT_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("argument \"%s\" is not a plaintext key", "key"),
				 errdetail("%s", _(key_format_explain(error)))));
	PG_RETURN_POINTER(key);
}

Datum
apikey_is_well_formed(PG_FUNCTION_ARGS)
{
	text	   *input = PG_GETARG_TEXT_PP(0);
	KeyParts	parts;

	PG_RETURN_BOOL(key_format_parse(VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input),
									&parts) == KEY_FORMAT_OK);
}

Datum
apikey_redact(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(apikey_redact_text(PG_GETARG_TEXT_PP(0)));
}
