/*
 * apikey_fuzz.c
 *		Checks of src/apikey.c that hold for every input, for libFuzzer.
 *
 * An input is taken as a text, as the bytes of a client's binary value, as two
 * of these that are compared, and as a stored form with one byte exchanged.
 * Instead of a server there is server.c.
 */
#include "reference.h"

#include <openssl/sha.h>

#include "server.h"

#include "lib/stringinfo.h"

#include "apikey.h"

#define STORED_FORM_LENGTH 78

/* What the corpus comes upon, or its checks would show little */
typedef enum Path
{
	TOOK_PLAINTEXT,
	TOOK_STORED_FORM,
	TOOK_BYTES,
	REFUSED_TEXT,
	REFUSED_STORED_FORM,
	REFUSED_LENGTH,
	REFUSED_BYTES,
	MASKED,
	LEFT_AS_IT_IS,
	COMPARED_EQUAL,
	COMPARED_UNEQUAL
} Path;

#define PATH_COUNT (COMPARED_UNEQUAL + 1)

unsigned long reached[PATH_COUNT];
const int	path_count = PATH_COUNT;

const char *const path_names[] = {
	"a plaintext key taken",
	"a stored form taken",
	"a binary value taken",
	"a text refused",
	"a damaged stored form refused",
	"a binary value refused for its length",
	"a binary value refused for what is in it",
	"a text with a key masked",
	"a text without a key left as it is",
	"two equal values compared",
	"two unequal values compared"
};

extern Datum apikey_in(PG_FUNCTION_ARGS);
extern Datum apikey_out(PG_FUNCTION_ARGS);
extern Datum apikey_recv(PG_FUNCTION_ARGS);
extern Datum apikey_send(PG_FUNCTION_ARGS);
extern Datum apikey_eq(PG_FUNCTION_ARGS);
extern Datum apikey_lt(PG_FUNCTION_ARGS);
extern Datum apikey_cmp(PG_FUNCTION_ARGS);
extern Datum apikey_hash(PG_FUNCTION_ARGS);
extern Datum apikey_hash_extended(PG_FUNCTION_ARGS);
extern Datum apikey_kind_of(PG_FUNCTION_ARGS);
extern Datum apikey_mode_of(PG_FUNCTION_ARGS);
extern Datum apikey_redacted(PG_FUNCTION_ARGS);
extern Datum apikey_of_text(PG_FUNCTION_ARGS);
extern Datum apikey_is_well_formed(PG_FUNCTION_ARGS);
extern Datum apikey_redact(PG_FUNCTION_ARGS);

/* Calls */

static bool
call1(PGFunction function, Datum argument, Datum *result)
{
	return server_call(function, 1, &argument, result);
}

/* Of a function that raises no error */
static Datum
sure1(PGFunction function, Datum argument)
{
	Datum		result;

	CHECK(call1(function, argument, &result));
	return result;
}

static Datum
sure2(PGFunction function, Datum first, Datum second)
{
	Datum		arguments[2] = {first, second};
	Datum		result;

	CHECK(server_call(function, 2, arguments, &result));
	return result;
}

/* Nothing of the input is in it that could be of a key: no word of ours is as long as this. */
static void
check_refusal(void)
{
	size_t		length = strlen(server_error.text);

	CHECK(server_error.sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION);
	for (size_t i = 0; i < length; i++)
		CHECK(run_at(server_error.text, length, i) < 16);
}

/* Values, as a slow reader makes them */

static bool
expected_stored_form(const char *input, size_t length, ApiKey *key)
{
	static const char hexadecimal[] = "0123456789abcdef";

	memset(key, 0, sizeof(ApiKey));
	if (length != STORED_FORM_LENGTH || !prefix_at(input, length, 0) ||
		memcmp(input + 5, "****", 4) != 0 || input[13] != ':')
		return false;
	for (size_t i = 9; i < 13; i++)
	{
		if (!is_digit(input[i]))
			return false;
		key->last_four[i - 9] = input[i];
	}
	for (size_t i = 14; i < STORED_FORM_LENGTH; i++)
	{
		const char *digit = strchr(hexadecimal, input[i]);

		if (digit == NULL || *digit == '\0')
			return false;
		key->digest[(i - 14) / 2] = (uint8) (key->digest[(i - 14) / 2] * 16 + (digit - hexadecimal));
	}
	key->kind = input[1];
	key->mode = input[3];
	return true;
}

static bool
expected_plaintext(const char *input, size_t length, ApiKey *key)
{
	memset(key, 0, sizeof(ApiKey));
	if (expected_error(input, length) != KEY_FORMAT_OK)
		return false;
	SHA256((const unsigned char *) input, length, key->digest);
	key->kind = input[1];
	key->mode = input[3];
	memcpy(key->last_four, input + length - 4, 4);
	return true;
}

static bool
expected_bytes(const uint8_t *data, size_t size)
{
	const ApiKey *key = (const ApiKey *) data;
	char		prefix[5] = {'f', 0, 'k', 0, '_'};

	if (size != sizeof(ApiKey))
		return false;
	prefix[1] = key->kind;
	prefix[3] = key->mode;
	return prefix_at(prefix, 5, 0) && run_at(key->last_four, 4, 0) == 4 &&
		key->reserved[0] == 0 && key->reserved[1] == 0;
}

/* Checks of what was taken: it comes back from all that it is written as. */

static Datum
receive(const void *data, size_t size)
{
	StringInfo	buffer = palloc(sizeof(StringInfoData));

	/* A copy of exactly its length */
	buffer->data = palloc(size);
	memcpy(buffer->data, data, size);
	buffer->len = buffer->maxlen = (int) size;
	buffer->cursor = 0;
	return PointerGetDatum(buffer);
}

static void
check_value(Datum value)
{
	const ApiKey *key = DatumGetApiKeyP(value);
	const char *out = DatumGetCString(sure1(apikey_out, value));
	bytea	   *sent = DatumGetByteaPP(sure1(apikey_send, value));
	text	   *redacted = DatumGetTextPP(sure1(apikey_redacted, value));
	ApiKey		again;

	CHECK(expected_bytes((const uint8_t *) key, sizeof(ApiKey)));
	CHECK(expected_stored_form(out, strlen(out), &again));
	CHECK(memcmp(&again, key, sizeof(ApiKey)) == 0);
	CHECK(memcmp(DatumGetApiKeyP(sure1(apikey_in, CStringGetDatum(out))), key, sizeof(ApiKey)) == 0);

	CHECK(VARSIZE_ANY_EXHDR(sent) == sizeof(ApiKey));
	CHECK(memcmp(VARDATA_ANY(sent), key, sizeof(ApiKey)) == 0);
	CHECK(memcmp(DatumGetApiKeyP(sure1(apikey_recv, receive(VARDATA_ANY(sent), sizeof(ApiKey)))), key,
				 sizeof(ApiKey)) == 0);

	CHECK(VARSIZE_ANY_EXHDR(redacted) == 13 && memcmp(VARDATA_ANY(redacted), out, 13) == 0);
	CHECK(DatumGetObjectId(sure1(apikey_kind_of, value)) == (Oid) key->kind);
	CHECK(DatumGetObjectId(sure1(apikey_mode_of, value)) == (Oid) key->mode);
	CHECK((uint32) DatumGetUInt64(sure2(apikey_hash_extended, value, Int64GetDatum(0))) ==
		  DatumGetUInt32(sure1(apikey_hash, value)));
}

static Datum
check_input(const char *input, size_t length)
{
	ApiKey		expected;
	bool		stored = expected_stored_form(input, length, &expected);
	bool		good = stored || expected_plaintext(input, length, &expected);
	Datum		value;

	CHECK(call1(apikey_in, CStringGetDatum(input), &value) == good);
	if (!good)
	{
		check_refusal();
		reached[length >= 9 && memcmp(input + 5, "****", 4) == 0 ? REFUSED_STORED_FORM : REFUSED_TEXT]++;
		return (Datum) 0;
	}
	CHECK(memcmp(DatumGetApiKeyP(value), &expected, sizeof(ApiKey)) == 0);
	reached[stored ? TOOK_STORED_FORM : TOOK_PLAINTEXT]++;
	check_value(value);
	return value;
}

static Datum
check_bytes(const uint8_t *data, size_t size)
{
	bool		good = expected_bytes(data, size);
	Datum		value;

	CHECK(call1(apikey_recv, receive(data, size), &value) == good);
	if (!good)
	{
		check_refusal();
		reached[size == sizeof(ApiKey) ? REFUSED_BYTES : REFUSED_LENGTH]++;
		return (Datum) 0;
	}
	CHECK(memcmp(DatumGetApiKeyP(value), data, sizeof(ApiKey)) == 0);
	reached[TOOK_BYTES]++;
	check_value(value);
	return value;
}

/* A text as a function gets it: with a header of one byte, where it is stored and short */
static Datum
text_datum(const uint8_t *data, size_t size, bool stored)
{
	bool		is_short = stored && size + VARHDRSZ_SHORT <= VARATT_SHORT_MAX;
	text	   *value = palloc(size + (is_short ? VARHDRSZ_SHORT : VARHDRSZ));

	if (is_short)
		SET_VARSIZE_SHORT(value, size + VARHDRSZ_SHORT);
	else
		SET_VARSIZE(value, size + VARHDRSZ);
	memcpy(VARDATA_ANY(value), data, size);
	return PointerGetDatum(value);
}

static void
check_functions_of_text(const uint8_t *data, size_t size, bool stored)
{
	Datum		source = text_datum(data, size, stored);
	ApiKey		expected;
	bool		good = expected_plaintext((const char *) data, size, &expected);
	char	   *masked = palloc(size);
	size_t		masked_length = key_format_redact_text((const char *) data, size, masked, NULL);
	text	   *redacted = DatumGetTextPP(sure1(apikey_redact, source));
	Datum		value;

	CHECK(DatumGetBool(sure1(apikey_is_well_formed, source)) == good);
	CHECK(call1(apikey_of_text, source, &value) == good);
	if (good)
		CHECK(memcmp(DatumGetApiKeyP(value), &expected, sizeof(ApiKey)) == 0);
	else
		check_refusal();

	/* What it must be is checked by the other fuzzer. */
	CHECK(VARSIZE_ANY_EXHDR(redacted) == masked_length);
	CHECK(memcmp(VARDATA_ANY(redacted), masked, masked_length) == 0);
	CHECK(memcmp(VARDATA_ANY(source), data, size) == 0);
	reached[masked_length < size ? MASKED : LEFT_AS_IT_IS]++;
}

static int
sign(int number)
{
	return (number > 0) - (number < 0);
}

static void
check_order(Datum a, Datum b)
{
	int			order = sign(memcmp(DatumGetApiKeyP(a), DatumGetApiKeyP(b), sizeof(ApiKey)));

	CHECK(DatumGetInt32(sure2(apikey_cmp, a, b)) == order);
	CHECK(DatumGetInt32(sure2(apikey_cmp, b, a)) == -order);
	CHECK(DatumGetBool(sure2(apikey_lt, a, b)) == (order < 0));
	CHECK(DatumGetBool(sure2(apikey_eq, a, b)) == (order == 0));
	if (order == 0)
		CHECK(DatumGetUInt32(sure1(apikey_hash, a)) == DatumGetUInt32(sure1(apikey_hash, b)));
	reached[order == 0 ? COMPARED_EQUAL : COMPARED_UNEQUAL]++;
}

/* The stored form of a key that the data makes, with one byte of it exchanged by the data */
static void
check_damaged(const uint8_t *data, size_t size)
{
	ApiKey		key = {.kind = "pst"[data[0] % 3],.mode = "tl"[data[0] / 3 % 2]};
	Datum		value;
	char	   *out;

	SHA256(data, size, key.digest);
	for (int i = 0; i < KEY_LAST_FOUR; i++)
		key.last_four[i] = digits[key.digest[i] % 62];
	value = check_bytes((const uint8_t *) &key, sizeof(key));
	out = DatumGetCString(sure1(apikey_out, value));
	check_order(value, check_input(out, STORED_FORM_LENGTH));

	out[data[1] % STORED_FORM_LENGTH] = (char) data[2];
	check_input(out, strlen(out));
}

static void
check_generated(char kind, char mode)
{
	PlainKey   *key = apikey_generate(kind, mode);
	ApiKey		expected;

	CHECK(strlen(key->text) == 54 && key->text[1] == kind && key->text[3] == mode);
	CHECK(expected_plaintext(key->text, 54, &expected));
	CHECK(memcmp(&key->handle, &expected, sizeof(ApiKey)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *input = palloc(size + 1);
	Datum		from_text;
	Datum		from_bytes;

	memcpy(input, data, size);
	input[size] = '\0';
	from_text = check_input(input, strlen(input));
	from_bytes = check_bytes(data, size);
	check_functions_of_text(data, size, false);
	check_functions_of_text(data, size, true);
	if (size >= 3)
	{
		check_damaged(data, size);
		check_generated("pst"[data[0] % 3], "tl"[data[1] % 2]);
	}

	if (size > sizeof(ApiKey))
	{
		from_bytes = check_bytes(data, sizeof(ApiKey));
		from_text = check_input(input + sizeof(ApiKey), strlen(input + sizeof(ApiKey)));
	}
	if (DatumGetPointer(from_text) != NULL && DatumGetPointer(from_bytes) != NULL)
		check_order(from_text, from_bytes);
	server_forget();
	return 0;
}
