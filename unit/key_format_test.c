/*
 * key_format_test.c
 *		Checks of src/key_format.c by example, without a server.
 *
 * Prints a line for each failed check and at the end how many passed and
 * failed; exits with 1 if any failed.  Texts are copied to buffers of exactly
 * their length, so that a sanitizer or valgrind sees a byte read outside them.
 */
#include "key_format.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long passed = 0;
static unsigned long failed = 0;

#define CHECK(condition) check((condition), #condition, __LINE__)

static void
check(bool right, const char *condition, int line)
{
	if (right)
		passed++;
	else
	{
		failed++;
		printf("key_format_test.c:%d: %s\n", line, condition);
	}
}

/* Bodies, named for their lengths */
#define B16 "0123456789ABCDEF"
#define B19 B16 "xyz"
#define B20 B16 "wxyz"
#define B45 B20 B20 "UVWXY"
#define B46 B45 "Z"
#define B49 B20 B20 "RSTUVWXYZ"
#define B50 B20 B20 "QRSTUVWXYZ"
#define B51 B50 "a"

/* With checksums computed by Python's zlib */
#define GENERATED "fpkl_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg0PiEzp"
#define GENERATED_REDACTED "fpkl_****iEzp"
#define GENERATED_SECRET "fskt_00000000000000000000000000000000000000000001f5UoO"
#define GENERATED_SECRET_REDACTED "fskt_****5UoO"

/* Its right checksum ends in the first letters of a prefix. */
#define LOOKALIKE "fskt_dE5T51ku4jCeXWrILmKdei4yGgtZNMYVDzJZXfSvlVI00fskt"

/* Those of the description */
#define EXAMPLE_PUBLIC "fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg"
#define EXAMPLE_SECRET "fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys"

static const char *const prefixes[] = {"fpkt_", "fpkl_", "fskt_", "fskl_", "ftkt_", "ftkl_"};

#define PREFIX_COUNT (sizeof(prefixes) / sizeof(prefixes[0]))

static char *
copy(const char *text, size_t length)
{
	/* A buffer of no bytes at all may be NULL, which no one asked about. */
	char	   *exact = malloc(length > 0 ? length : 1);

	if (exact == NULL)
	{
		printf("out of memory\n");
		exit(2);
	}
	memcpy(exact, text, length);
	return exact;
}

/* The same numbers at each run */
static uint32_t
next_random(void)
{
	static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t) (state >> 32);
}

static KeyFormatError
parse(const char *text, size_t length, KeyParts *parts)
{
	char	   *exact = copy(text, length);
	KeyFormatError error = key_format_parse(exact, length, parts);

	free(exact);
	return error;
}

/* CRC-32 bit by bit, and base62 by division: both unlike the code they check */
static uint32_t
bitwise_crc32(const char *text, size_t length)
{
	uint32_t	crc = 0xffffffff;
	size_t		i;
	int			bit;

	for (i = 0; i < length; i++)
	{
		crc ^= (unsigned char) text[i];
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320 : 0);
	}
	return crc ^ 0xffffffff;
}

static void
checksum_elsewhere(const char *text, size_t length, char checksum[6])
{
	static const char digits[] =
	"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint32_t	crc = bitwise_crc32(text, length);
	int			i;

	for (i = 5; i >= 0; i--)
	{
		checksum[i] = digits[crc % 62];
		crc /= 62;
	}
}

static void
base62_elsewhere(const unsigned char *number, size_t number_length,
				 char *out, size_t out_length)
{
	static const char digits[] =
	"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char quotient[64];
	size_t		place = out_length;

	memcpy(quotient, number, number_length);
	while (place-- > 0)
	{
		unsigned int remainder = 0;
		size_t		i;

		for (i = 0; i < number_length; i++)
		{
			remainder = remainder * 256 + quotient[i];
			quotient[i] = (unsigned char) (remainder / 62);
			remainder %= 62;
		}
		out[place] = digits[remainder];
	}
}

static void
test_base62_characters(void)
{
	int			c;
	int			digits = 0;

	CHECK(strcmp(key_format_base62_digits,
				 "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == 0);
	for (c = 0; c < 256; c++)
	{
		bool		is_digit = c != 0 && strchr(key_format_base62_digits, c) != NULL;

		CHECK(key_format_is_base62((char) c) == is_digit);
		digits += is_digit;
	}
	CHECK(digits == 62);
}

static void
expect_base62(const unsigned char *number, size_t number_length, const char *expected)
{
	char		out[64 + 1];
	size_t		length = strlen(expected);

	memset(out, '#', sizeof(out));
	key_format_base62(number, number_length, out, length);
	CHECK(memcmp(out, expected, length) == 0);
	CHECK(out[length] == '#');
}

static void
test_base62(void)
{
	static const unsigned char zero[32] = {0};
	static const unsigned char sixty_one[] = {61};
	static const unsigned char sixty_two[] = {62};
	static const unsigned char two_bytes[] = {1, 0};
	unsigned char ones[32];
	int			round;

	memset(ones, 0xff, sizeof(ones));
	expect_base62(zero, 20, "000000000000000000000000000");
	expect_base62(ones, 20, "aWgEPTl1tmebfsQzFP4bxwgy80V");
	expect_base62(zero, 32, "0000000000000000000000000000000000000000000");
	expect_base62(ones, 32, "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
	expect_base62(ones, 32, "0yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
	expect_base62(sixty_one, 1, "z");
	expect_base62(sixty_two, 1, "10");
	expect_base62(sixty_two, 1, "00010");
	expect_base62(two_bytes, 2, "0048");

	/* What does not fit loses its highest digits. */
	expect_base62(sixty_two, 1, "0");
	expect_base62(ones, 20, "bxwgy80V");
	expect_base62(ones, 20, "");
	expect_base62(ones, 0, "000");

	for (round = 0; round < 2000; round++)
	{
		unsigned char number[32];
		char		out[48];
		char		expected[48];
		size_t		number_length = next_random() % 33;
		size_t		out_length = next_random() % 49;
		size_t		i;

		for (i = 0; i < number_length; i++)
			number[i] = (unsigned char) next_random();
		key_format_base62(number, number_length, out, out_length);
		base62_elsewhere(number, number_length, expected, out_length);
		CHECK(memcmp(out, expected, out_length) == 0);
	}
}

static void
expect_checksum(const char *text, size_t length, const char *expected)
{
	char	   *exact = copy(text, length);
	char		checksum[KEY_CHECKSUM_LENGTH];

	key_format_checksum(exact, length, checksum);
	CHECK(memcmp(checksum, expected, KEY_CHECKSUM_LENGTH) == 0);
	free(exact);
}

static void
test_checksum(void)
{
	char		many[32];
	int			round;

	/* CRC-32 of the usual check value: cbf43926 */
	CHECK(bitwise_crc32("123456789", 9) == 0xcbf43926);
	expect_checksum("123456789", 9, "3jZRME");

	/* Others computed by Python's zlib */
	expect_checksum("", 0, "000000");
	expect_checksum("a", 1, "4GEHKN");
	expect_checksum("abc", 3, "0yKviM");
	expect_checksum("The quick brown fox jumps over the lazy dog", 43, "1C9bYH");
	memset(many, 0, sizeof(many));
	expect_checksum(many, sizeof(many), "0SQjCX");
	memset(many, 0xff, sizeof(many));
	expect_checksum(many, sizeof(many), "4g0jLX");
	expect_checksum("fskt_0000000000000000000000000000000000000000000", 48, "1f5UoO");
	expect_checksum("fskt_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", 48, "13V4sP");
	expect_checksum("fpkl_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg", 48, "0PiEzp");

	for (round = 0; round < 2000; round++)
	{
		char		text[100];
		char		expected[KEY_CHECKSUM_LENGTH];
		size_t		length = next_random() % (sizeof(text) + 1);
		size_t		i;

		for (i = 0; i < length; i++)
			text[i] = (char) next_random();
		checksum_elsewhere(text, length, expected);
		expect_checksum(text, length, expected);
	}
}

static void
expect_key(const char *text, char kind, char mode, const char *last_four, KeyChecksum checksum)
{
	KeyParts	parts;

	memset(&parts, '#', sizeof(parts));
	CHECK(parse(text, strlen(text), &parts) == KEY_FORMAT_OK);
	CHECK(parts.kind == kind);
	CHECK(parts.mode == mode);
	CHECK(memcmp(parts.last_four, last_four, KEY_LAST_FOUR) == 0);
	CHECK(parts.checksum == checksum);
}

static void
expect_no_key(const char *text, size_t length, KeyFormatError error)
{
	KeyParts	parts;
	KeyParts	before;

	memset(&before, '#', sizeof(before));
	memcpy(&parts, &before, sizeof(parts));
	CHECK(parse(text, length, &parts) == error);
	CHECK(memcmp(&parts, &before, sizeof(parts)) == 0);
}

#define EXPECT_NO_KEY(literal, error) expect_no_key(literal, sizeof(literal) - 1, error)

static void
test_parse(void)
{
	size_t		i;
	int			c;

	/* The bodies are as long as their names say. */
	CHECK(sizeof(B16) - 1 == 16);
	CHECK(sizeof(B19) - 1 == 19);
	CHECK(sizeof(B20) - 1 == 20);
	CHECK(sizeof(B45) - 1 == 45);
	CHECK(sizeof(B46) - 1 == 46);
	CHECK(sizeof(B49) - 1 == 49);
	CHECK(sizeof(B50) - 1 == 50);
	CHECK(sizeof(B51) - 1 == 51);

	expect_key(EXAMPLE_PUBLIC, 'p', 't', "HCvg", KEY_CHECKSUM_NONE);
	expect_key(EXAMPLE_SECRET, 's', 't', "u8Ys", KEY_CHECKSUM_NONE);
	expect_key(GENERATED, 'p', 'l', "iEzp", KEY_CHECKSUM_RIGHT);
	expect_key(GENERATED_SECRET, 's', 't', "5UoO", KEY_CHECKSUM_RIGHT);
	expect_key(LOOKALIKE, 's', 't', "fskt", KEY_CHECKSUM_RIGHT);

	/* Each prefix; each length from none to one too many and more */
	for (i = 0; i < PREFIX_COUNT; i++)
	{
		char		text[KEY_PREFIX_LENGTH + 200];
		size_t		body_length;

		memset(text, 'Q', sizeof(text));
		memcpy(text, prefixes[i], KEY_PREFIX_LENGTH);
		for (body_length = 0; body_length <= 200; body_length++)
		{
			size_t		length = KEY_PREFIX_LENGTH + body_length;
			KeyParts	parts;

			if (body_length < 20 || body_length > 50)
				expect_no_key(text, length, KEY_FORMAT_BAD_LENGTH);
			else if (body_length == 49)
				expect_no_key(text, length, KEY_FORMAT_BAD_CHECKSUM);
			else
			{
				CHECK(parse(text, length, &parts) == KEY_FORMAT_OK);
				CHECK(parts.kind == prefixes[i][1]);
				CHECK(parts.mode == prefixes[i][3]);
				CHECK(memcmp(parts.last_four, "QQQQ", KEY_LAST_FOUR) == 0);
				CHECK(parts.checksum == KEY_CHECKSUM_NONE);
			}
		}
	}

	/* A part of a prefix is none, nor is a prefix with another byte in it. */
	EXPECT_NO_KEY("", KEY_FORMAT_BAD_PREFIX);
	EXPECT_NO_KEY("f", KEY_FORMAT_BAD_PREFIX);
	EXPECT_NO_KEY("fskt", KEY_FORMAT_BAD_PREFIX);
	EXPECT_NO_KEY("fskt_", KEY_FORMAT_BAD_LENGTH);
	for (i = 0; i < KEY_PREFIX_LENGTH; i++)
		for (c = 0; c < 256; c++)
		{
			static const char *const allowed[] = {"f", "pst", "k", "tl", "_"};
			char		text[] = "fskt_" B20;
			bool		right = c != 0 && strchr(allowed[i], c) != NULL;
			KeyParts	parts;

			text[i] = (char) c;
			CHECK(parse(text, sizeof(text) - 1, &parts) ==
				  (right ? KEY_FORMAT_OK : KEY_FORMAT_BAD_PREFIX));
		}

	/* Each byte at each place of a body */
	for (i = KEY_PREFIX_LENGTH; i < KEY_PREFIX_LENGTH + 20; i++)
		for (c = 0; c < 256; c++)
		{
			char		text[] = "fskt_" B20;
			KeyParts	parts;

			text[i] = (char) c;
			CHECK(parse(text, sizeof(text) - 1, &parts) ==
				  (c != 0 && strchr(key_format_base62_digits, c) != NULL ?
				   KEY_FORMAT_OK : KEY_FORMAT_BAD_CHARACTER));
		}

	/* The prefix is asked about first, then the length. */
	EXPECT_NO_KEY("fskt_****u8Ys", KEY_FORMAT_BAD_LENGTH);
	EXPECT_NO_KEY("fskt_" B19 "-", KEY_FORMAT_BAD_CHARACTER);
	EXPECT_NO_KEY("fskt_" B16 "\0" B16, KEY_FORMAT_BAD_CHARACTER);
	EXPECT_NO_KEY(EXAMPLE_SECRET "\n", KEY_FORMAT_BAD_CHARACTER);
	EXPECT_NO_KEY(EXAMPLE_SECRET "\0", KEY_FORMAT_BAD_CHARACTER);
	EXPECT_NO_KEY(" " EXAMPLE_SECRET, KEY_FORMAT_BAD_PREFIX);
	EXPECT_NO_KEY("FSKT_" B20, KEY_FORMAT_BAD_PREFIX);
	EXPECT_NO_KEY("fskt_****u8Ys:"
				  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
				  KEY_FORMAT_BAD_LENGTH);
}

/* With a 49-character body, anything but what was generated is refused. */
static void
test_corruption(void)
{
	int			round;

	for (round = 0; round < 60; round++)
	{
		char		text[KEY_GENERATED_LENGTH];
		size_t		i;
		int			c;
		KeyParts	parts;

		memcpy(text, prefixes[(size_t) round % PREFIX_COUNT], KEY_PREFIX_LENGTH);
		for (i = KEY_PREFIX_LENGTH; i < KEY_PREFIX_LENGTH + KEY_RANDOM_LENGTH; i++)
			text[i] = key_format_base62_digits[next_random() % 62];
		key_format_checksum(text, i, text + i);

		memset(&parts, '#', sizeof(parts));
		CHECK(parse(text, sizeof(text), &parts) == KEY_FORMAT_OK);
		CHECK(parts.kind == text[1]);
		CHECK(parts.mode == text[3]);
		CHECK(memcmp(parts.last_four, text + sizeof(text) - 4, 4) == 0);
		CHECK(parts.checksum == KEY_CHECKSUM_RIGHT);

		for (i = 0; i < sizeof(text); i++)
		{
			char		right = text[i];

			for (c = 0; c < 256; c++)
			{
				if ((char) c == right)
					continue;
				text[i] = (char) c;
				CHECK(parse(text, sizeof(text), &parts) != KEY_FORMAT_OK);
			}
			text[i] = right;
		}
		for (i = 0; i + 1 < sizeof(text); i++)
		{
			char		first = text[i];
			char		second = text[i + 1];

			if (first == second)
				continue;
			text[i] = second;
			text[i + 1] = first;
			CHECK(parse(text, sizeof(text), &parts) != KEY_FORMAT_OK);
			text[i] = first;
			text[i + 1] = second;
		}

		/* Whole again: the loops above changed what they meant to. */
		CHECK(parse(text, sizeof(text), &parts) == KEY_FORMAT_OK);
	}
}

static void
test_explain(void)
{
	static const KeyFormatError errors[] = {
		KEY_FORMAT_OK, KEY_FORMAT_BAD_PREFIX, KEY_FORMAT_BAD_LENGTH,
		KEY_FORMAT_BAD_CHARACTER, KEY_FORMAT_BAD_CHECKSUM
	};
	size_t		i;
	size_t		k;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
	{
		const char *sentence = key_format_explain(errors[i]);

		CHECK(strlen(sentence) > 10);
		CHECK(sentence[0] >= 'A' && sentence[0] <= 'Z');
		CHECK(sentence[strlen(sentence) - 1] == '.');
		for (k = 0; k < i; k++)
			CHECK(strcmp(sentence, key_format_explain(errors[k])) != 0);
	}
	CHECK(strstr(key_format_explain(KEY_FORMAT_BAD_CHECKSUM), "checksum") != NULL);
	CHECK(strstr(key_format_explain(KEY_FORMAT_BAD_LENGTH), "20 to 50") != NULL);
	for (i = 0; i < PREFIX_COUNT; i++)
		CHECK(strstr(key_format_explain(KEY_FORMAT_BAD_PREFIX), prefixes[i]) != NULL);
}

static void
test_redacted(void)
{
	static const struct
	{
		const char *key;
		const char *redacted;
	}			examples[] = {
		{EXAMPLE_PUBLIC, "fpkt_****HCvg"},
		{EXAMPLE_SECRET, "fskt_****u8Ys"},
		{GENERATED, GENERATED_REDACTED},
		{"ftkl_" B20, "ftkl_****wxyz"},
	};
	size_t		i;

	for (i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
	{
		KeyParts	parts = {0};
		char		out[KEY_REDACTED_LENGTH + 1];

		out[KEY_REDACTED_LENGTH] = '#';
		CHECK(parse(examples[i].key, strlen(examples[i].key), &parts) == KEY_FORMAT_OK);
		key_format_redacted(&parts, out);
		CHECK(memcmp(out, examples[i].redacted, KEY_REDACTED_LENGTH) == 0);
		CHECK(out[KEY_REDACTED_LENGTH] == '#');
	}
}

/*
 * In text, at most two keys are found, in this order; it reads as redacted
 * afterwards.
 */
static void
expect_in_text(int line, const char *text, size_t length,
			   const char *first, const char *second,
			   const char *redacted, size_t redacted_length)
{
	const char *expected[3];
	char	   *exact = copy(text, length);
	char	   *out = copy(text, length);
	KeySpan		span;
	size_t		from = 0;
	size_t		written;
	int			i;

	expected[0] = first;
	expected[1] = first != NULL ? second : NULL;
	expected[2] = NULL;
	for (i = 0; i < 3; i++)
	{
		bool		found = key_format_find(exact, length, from, &span);

		check(found == (expected[i] != NULL), "as many keys are found as expected", line);
		if (!found || expected[i] == NULL)
			break;
		check(span.start >= from, "a key starts where the search did or after", line);
		check(span.start <= length && span.length <= length - span.start,
			  "a key ends within the text", line);
		check(span.length == strlen(expected[i]) &&
			  memcmp(exact + span.start, expected[i], span.length) == 0,
			  "the key is the expected one", line);
		check(span.parts.kind == expected[i][1] && span.parts.mode == expected[i][3] &&
			  memcmp(span.parts.last_four, expected[i] + span.length - 4, 4) == 0,
			  "the parts are the key's", line);
		from = span.start + span.length;
	}

	memset(out, '#', length);
	written = key_format_redact_text(exact, length, out);
	check(written == redacted_length && memcmp(out, redacted, written) == 0,
		  "the text is redacted as expected", line);
	check(memcmp(exact, text, length) == 0, "the text itself stays as it is", line);

	written = key_format_redact_text(exact, length, exact);
	check(written == redacted_length && memcmp(exact, redacted, written) == 0,
		  "the text is redacted in place as expected", line);

	free(out);
	free(exact);
}

#define IN_TEXT(text, first, second, redacted) \
	expect_in_text(__LINE__, text, sizeof(text) - 1, first, second, \
				   redacted, sizeof(redacted) - 1)

/* No key in it, and nothing to mask */
#define UNTOUCHED(text) IN_TEXT(text, NULL, NULL, text)

static void
test_text_without_keys(void)
{
	UNTOUCHED("");
	UNTOUCHED("_");
	UNTOUCHED("____________________________________");
	UNTOUCHED("no key in here, just the letters of a sentence_or_two_that_are_long_enough");
	UNTOUCHED("fskt_");
	UNTOUCHED("fskt_short");
	UNTOUCHED("fskt_" B19);
	UNTOUCHED("fskt_" B19 "-" B20);
	UNTOUCHED("fskt_" B19 "\0" B20);
	UNTOUCHED("fskt_" B19 "\xc3\xa9");
	UNTOUCHED("fskt_" B16 "_" B20);
	UNTOUCHED("FSKT_" B20);
	UNTOUCHED("fsk_" B20);
	UNTOUCHED("fskt" B20);
	UNTOUCHED("fskt-" B20);
	UNTOUCHED("faskt_" B20);
	UNTOUCHED("fxkt_" B20);
	UNTOUCHED("fskx_" B20);
	UNTOUCHED("fskt\0_" B20);
	UNTOUCHED("skt_" B20);
	UNTOUCHED(B20 "_" B20);
	UNTOUCHED("fskt_****u8Ys");
	UNTOUCHED("fskt_****u8Ys:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	UNTOUCHED("fskt_ " B20);
	UNTOUCHED("fskt__" B20);
	UNTOUCHED(B50 "fskt");
	UNTOUCHED(B50 "fskt_");
}

static void
test_text_with_keys(void)
{
	/* alone, at the start, in the middle, at the end */
	IN_TEXT(EXAMPLE_SECRET, EXAMPLE_SECRET, NULL, "fskt_****u8Ys");
	IN_TEXT(EXAMPLE_PUBLIC " is public", EXAMPLE_PUBLIC, NULL, "fpkt_****HCvg is public");
	IN_TEXT("use '" EXAMPLE_SECRET "'.", EXAMPLE_SECRET, NULL, "use 'fskt_****u8Ys'.");
	IN_TEXT("key=" GENERATED, GENERATED, NULL, "key=" GENERATED_REDACTED);
	IN_TEXT("\0" GENERATED "\0", GENERATED, NULL, "\0" GENERATED_REDACTED "\0");
	IN_TEXT("\xff" GENERATED "\x80", GENERATED, NULL, "\xff" GENERATED_REDACTED "\x80");
	IN_TEXT("\xc3\xa9" GENERATED "\xc3\xa9", GENERATED, NULL,
			"\xc3\xa9" GENERATED_REDACTED "\xc3\xa9");

	/* at the bounds of length, and cut off */
	IN_TEXT("fskt_" B20, "fskt_" B20, NULL, "fskt_****wxyz");
	IN_TEXT("fskt_" B49, "fskt_" B49, NULL, "fskt_****WXYZ");
	IN_TEXT("fskt_" B50, "fskt_" B50, NULL, "fskt_****WXYZ");
	IN_TEXT("fskt_" B51, NULL, NULL, "fskt_****XYZa");
	IN_TEXT(" fskt_" B51 " ", NULL, NULL, " fskt_****XYZa ");
	IN_TEXT("fskt_" B50 B50 B50 "!", NULL, NULL, "fskt_****WXYZ!");
	IN_TEXT("fskt_" B20 "_", "fskt_" B20, NULL, "fskt_****wxyz_");
	IN_TEXT("fskt_" B20 "_" B20, "fskt_" B20, NULL, "fskt_****wxyz_" B20);
	IN_TEXT("fskt_" B20 "\0" B20, "fskt_" B20, NULL, "fskt_****wxyz\0" B20);
	IN_TEXT("fskt_" B20 "\xc3\xa9", "fskt_" B20, NULL, "fskt_****wxyz\xc3\xa9");

	/* directly behind other characters, and behind near misses */
	IN_TEXT("x" GENERATED, GENERATED, NULL, "x" GENERATED_REDACTED);
	IN_TEXT("ff" GENERATED, GENERATED, NULL, "ff" GENERATED_REDACTED);
	IN_TEXT("f" GENERATED, GENERATED, NULL, "f" GENERATED_REDACTED);
	IN_TEXT("_" GENERATED, GENERATED, NULL, "_" GENERATED_REDACTED);
	IN_TEXT("fpkl" GENERATED, GENERATED, NULL, "fpkl" GENERATED_REDACTED);
	IN_TEXT("fskfskt_" B20, "fskt_" B20, NULL, "fskfskt_****wxyz");
	IN_TEXT("fskt_fskt_" B20, "fskt_" B20, NULL, "fskt_fskt_****wxyz");
	IN_TEXT("fskt_short fskt_" B20, "fskt_" B20, NULL, "fskt_short fskt_****wxyz");
	IN_TEXT("fskt_shortfskt_" B20, "fskt_" B20, NULL, "fskt_shortfskt_****wxyz");
	IN_TEXT("fskt__fskt_" B20, "fskt_" B20, NULL, "fskt__fskt_****wxyz");
	IN_TEXT("fskx_" B20 "fskt_" B20, "fskt_" B20, NULL, "fskx_" B20 "fskt_****wxyz");
	IN_TEXT("fskt_****u8Ys fskt_" B20, "fskt_" B20, NULL, "fskt_****u8Ys fskt_****wxyz");
	IN_TEXT("fskt_" B51 "," GENERATED, GENERATED, NULL, "fskt_****XYZa," GENERATED_REDACTED);

	/* two */
	IN_TEXT(EXAMPLE_PUBLIC " " EXAMPLE_SECRET, EXAMPLE_PUBLIC, EXAMPLE_SECRET,
			"fpkt_****HCvg fskt_****u8Ys");
	IN_TEXT(GENERATED "\0" GENERATED, GENERATED, GENERATED,
			GENERATED_REDACTED "\0" GENERATED_REDACTED);
	IN_TEXT("a" GENERATED "_" GENERATED_SECRET "_", GENERATED, GENERATED_SECRET,
			"a" GENERATED_REDACTED "_" GENERATED_SECRET_REDACTED "_");
}

/* A key glued to other text, or to the next key, whose first letters its run swallows */
static void
test_glued(void)
{
	/* to text: up to 50 characters it may be a key of its own, then it is only masked */
	IN_TEXT(GENERATED "a", GENERATED "a", NULL, "fpkl_****Ezpa");
	IN_TEXT(GENERATED "ab", NULL, NULL, "fpkl_****zpab");
	IN_TEXT(GENERATED "abcde-", NULL, NULL, "fpkl_****bcde-");

	/* to a key */
	IN_TEXT(GENERATED GENERATED, GENERATED, GENERATED,
			GENERATED_REDACTED GENERATED_REDACTED);
	IN_TEXT(GENERATED GENERATED_SECRET " ", GENERATED, GENERATED_SECRET,
			GENERATED_REDACTED GENERATED_SECRET_REDACTED " ");
	IN_TEXT(EXAMPLE_PUBLIC EXAMPLE_SECRET, EXAMPLE_PUBLIC, EXAMPLE_SECRET,
			"fpkt_****HCvgfskt_****u8Ys");
	IN_TEXT("fskt_" B50 GENERATED, "fskt_" B50, GENERATED, "fskt_****WXYZ" GENERATED_REDACTED);
	IN_TEXT("fskt_" B20 "fskt_" B20, "fskt_" B20, "fskt_" B20,
			"fskt_****wxyzfskt_****wxyz");
	IN_TEXT("fskt_" B50 "ftkl_" B50, "fskt_" B50, "ftkl_" B50,
			"fskt_****WXYZftkl_****WXYZ");

	/* with 45 characters, the run looks like a body with a wrong checksum */
	IN_TEXT("fskt_" B45 "fskl_" B20, "fskt_" B45, "fskl_" B20,
			"fskt_****VWXYfskl_****wxyz");

	/* to a run too long for a key: still masked, both */
	IN_TEXT("fskt_" B20 "fskt_" B51, "fskt_" B20, NULL, "fskt_****wxyzfskt_****XYZa");
	IN_TEXT("fskt_" B51 "fskt_" B20, "fskt_" B20, NULL, "fskt_****XYZafskt_****wxyz");

	/* to a key cut off at any place */
	IN_TEXT(GENERATED "f", GENERATED "f", NULL, "fpkl_****Ezpf");
	IN_TEXT(GENERATED "fskt", NULL, NULL, "fpkl_****fskt");
	IN_TEXT(GENERATED "fskt_", GENERATED, NULL, GENERATED_REDACTED "fskt_");
	IN_TEXT(GENERATED "fskt_" B19, GENERATED, NULL, GENERATED_REDACTED "fskt_" B19);
	IN_TEXT("fskt_" B46 "fskt_" B19 " ", "fskt_" B46, NULL, "fskt_****WXYZfskt_" B19 " ");
	IN_TEXT("fskt_" B50 "fskt_", "fskt_" B50, NULL, "fskt_****WXYZfskt_");
	IN_TEXT("fskt_" B51 "fskt_", NULL, NULL, "fskt_****XYZafskt_");

	/* A shorter one that needs the letters to be a key has them. */
	IN_TEXT("fskt_" B16 "fskt", "fskt_" B16 "fskt", NULL, "fskt_****fskt");
	IN_TEXT("fskt_" B16 "fskt_", "fskt_" B16 "fskt", NULL, "fskt_****fskt_");
	IN_TEXT("fskt_" B19 "fskt_" B19, "fskt_" B19 "fskt", NULL, "fskt_****fskt_" B19);

	/* Not if the next one then were overlooked; it is masked nevertheless. */
	IN_TEXT("fskt_" B16 "fskt_" B20, "fskt_" B20, NULL, "fskt_****CDEFfskt_****wxyz");
	IN_TEXT("fskt_" B19 "fskt_" B50, "fskt_" B50, NULL, "fskt_****Fxyzfskt_****WXYZ");
	IN_TEXT("fskt_" B16 "fskt_" B51, NULL, NULL, "fskt_****CDEFfskt_****XYZa");

	/* One that proves by its checksum that the letters are its own has them, too. */
	IN_TEXT(LOOKALIKE, LOOKALIKE, NULL, "fskt_****fskt");
	IN_TEXT(LOOKALIKE "_", LOOKALIKE, NULL, "fskt_****fskt_");
	IN_TEXT(LOOKALIKE "_" B19, LOOKALIKE, NULL, "fskt_****fskt_" B19);
	IN_TEXT(LOOKALIKE LOOKALIKE, LOOKALIKE, LOOKALIKE, "fskt_****fsktfskt_****fskt");
	IN_TEXT(LOOKALIKE "_" B20, "fskt_dE5T51ku4jCeXWrILmKdei4yGgtZNMYVDzJZXfSvlVI00",
			"fskt_" B20, "fskt_****VI00fskt_****wxyz");
}

static void
test_find(void)
{
	static const char text[] = "a " GENERATED " fskt_" B49 " fskt_" B20;
	char	   *exact = copy(text, sizeof(text) - 1);
	size_t		length = sizeof(text) - 1;
	size_t		first = 2;
	size_t		second = first + KEY_GENERATED_LENGTH + 1;
	size_t		third = second + KEY_GENERATED_LENGTH + 1;
	size_t		from;
	KeySpan		span;
	KeySpan		before;

	/* from every byte, in and between and past the keys */
	for (from = 0; from <= length + 3; from++)
	{
		bool		found;

		memset(&span, '#', sizeof(span));
		memcpy(&before, &span, sizeof(span));
		found = key_format_find(exact, length, from, &span);
		CHECK(found == (from <= third));
		if (!found)
		{
			CHECK(memcmp(&before, &span, sizeof(span)) == 0);
			continue;
		}
		if (from <= first)
		{
			CHECK(span.start == first);
			CHECK(span.length == KEY_GENERATED_LENGTH);
			CHECK(span.parts.kind == 'p');
			CHECK(span.parts.mode == 'l');
			CHECK(span.parts.checksum == KEY_CHECKSUM_RIGHT);
		}
		else if (from <= second)
		{
			CHECK(span.start == second);
			CHECK(span.length == KEY_GENERATED_LENGTH);
			CHECK(span.parts.checksum == KEY_CHECKSUM_WRONG);
		}
		else
		{
			CHECK(span.start == third);
			CHECK(span.length == KEY_PREFIX_LENGTH + 20);
			CHECK(span.parts.checksum == KEY_CHECKSUM_NONE);
		}
	}
	CHECK(!key_format_find(exact, length, (size_t) -1, &span));
	CHECK(!key_format_find(NULL, 0, 0, &span));
	CHECK(key_format_redact_text(NULL, 0, NULL) == 0);
	free(exact);
}

/* A key truncated at each byte, at the end of the text */
static void
test_truncated(void)
{
	size_t		length;

	for (length = 0; length <= KEY_GENERATED_LENGTH; length++)
	{
		char	   *exact = copy(GENERATED, length);
		char		out[KEY_GENERATED_LENGTH];
		bool		long_enough = length >= KEY_PREFIX_LENGTH + KEY_BODY_MIN;
		size_t		written = key_format_redact_text(exact, length, out);
		KeySpan		span;

		CHECK(key_format_find(exact, length, 0, &span) == long_enough);
		if (long_enough)
		{
			CHECK(span.start == 0 && span.length == length);
			CHECK(written == KEY_REDACTED_LENGTH);
			CHECK(memcmp(out, "fpkl_****", 9) == 0);
			CHECK(memcmp(out + 9, exact + length - 4, 4) == 0);
		}
		else
			CHECK(written == length && memcmp(out, exact, length) == 0);
		free(exact);
	}
}

int
main(void)
{
	test_base62_characters();
	test_base62();
	test_checksum();
	test_parse();
	test_corruption();
	test_explain();
	test_redacted();
	test_text_without_keys();
	test_text_with_keys();
	test_glued();
	test_find();
	test_truncated();
	printf("%lu passed, %lu failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
