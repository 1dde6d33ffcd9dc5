/*
 * key_format_test.c
 *		Checks of src/key_format.c by example, without a server: a key by itself.
 *
 * Prints a line for each failed check and at the end how many passed and
 * failed; exits with 1 if any failed.
 */
#include "samples.h"

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

/* A prefix at the start of it, by another list than the code has */
static bool
has_prefix(const char *text)
{
	size_t		i;

	for (i = 0; i < PREFIX_COUNT; i++)
	{
		if (memcmp(text, prefixes[i], KEY_PREFIX_LENGTH) == 0)
			return true;
	}
	return false;
}

static bool
is_body_character(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* A key with a body of that length, and a right checksum where it has one */
static void
make_key(char *text, size_t body_length)
{
	size_t		i;

	memcpy(text, prefixes[body_length % PREFIX_COUNT], KEY_PREFIX_LENGTH);
	for (i = 0; i < body_length; i++)
		text[KEY_PREFIX_LENGTH + i] = key_format_base62_digits[next_random() % 62];
	if (body_length == KEY_RANDOM_LENGTH + KEY_CHECKSUM_LENGTH)
		checksum_elsewhere(text, KEY_PREFIX_LENGTH + KEY_RANDOM_LENGTH,
						   text + KEY_PREFIX_LENGTH + KEY_RANDOM_LENGTH);
}

/*
 * Every byte at every place of a key of every length: only body characters
 * belong in a body, and with a checksum none of them but the right one.
 */
static void
test_every_byte(void)
{
	char		text[KEY_MAX_LENGTH];
	size_t		body_length;

	for (body_length = KEY_BODY_MIN; body_length <= KEY_BODY_MAX; body_length++)
	{
		size_t		length = KEY_PREFIX_LENGTH + body_length;
		bool		checked = length == KEY_GENERATED_LENGTH;
		size_t		i;
		int			c;

		make_key(text, body_length);
		for (i = 0; i < length; i++)
		{
			char		right = text[i];

			for (c = 0; c < 256; c++)
			{
				KeyFormatError expected = KEY_FORMAT_OK;
				KeyParts	parts;

				text[i] = (char) c;
				if (!has_prefix(text))
					expected = KEY_FORMAT_BAD_PREFIX;
				else if (i >= KEY_PREFIX_LENGTH && !is_body_character(c))
					expected = KEY_FORMAT_BAD_CHARACTER;
				else if (checked && (char) c != right)
					expected = KEY_FORMAT_BAD_CHECKSUM;
				CHECK(parse(text, length, &parts) == expected);
			}
			text[i] = right;
		}

		/* However many of them are wrong */
		for (c = 0; c < 256; c++)
		{
			KeyParts	parts;

			if (is_body_character(c))
				continue;
			memset(text + KEY_PREFIX_LENGTH, c, body_length);
			CHECK(parse(text, length, &parts) == KEY_FORMAT_BAD_CHARACTER);
		}
	}
}

/* Six characters have room for numbers beyond 32 bits. */
static void
put_checksum(char *text, uint64_t number)
{
	int			i;

	for (i = KEY_GENERATED_LENGTH - 1; i >= KEY_PREFIX_LENGTH + KEY_RANDOM_LENGTH; i--)
	{
		text[i] = key_format_base62_digits[number % 62];
		number /= 62;
	}
}

/* What differs from the right checksum only beyond 32 bits is wrong, too. */
static void
test_checksum_overflow(void)
{
	static const uint64_t end = UINT64_C(62) * 62 * 62 * 62 * 62 * 62;
	int			round;

	for (round = 0; round < 200; round++)
	{
		char		text[KEY_GENERATED_LENGTH];
		KeyParts	parts;
		uint64_t	crc;
		uint64_t	claimed;
		int			written = 0;

		make_key(text, KEY_RANDOM_LENGTH + KEY_CHECKSUM_LENGTH);
		crc = bitwise_crc32(text, KEY_PREFIX_LENGTH + KEY_RANDOM_LENGTH);
		put_checksum(text, crc);
		CHECK(parse(text, sizeof(text), &parts) == KEY_FORMAT_OK);

		for (claimed = crc + (UINT64_C(1) << 32); claimed < end; claimed += UINT64_C(1) << 32)
		{
			put_checksum(text, claimed);
			CHECK(parse(text, sizeof(text), &parts) == KEY_FORMAT_BAD_CHECKSUM);
			written++;
		}
		CHECK(written == 12 || written == 13);

		put_checksum(text, end - 1);
		CHECK(memcmp(text + sizeof(text) - KEY_CHECKSUM_LENGTH, "zzzzzz", KEY_CHECKSUM_LENGTH) == 0);
		CHECK(parse(text, sizeof(text), &parts) == KEY_FORMAT_BAD_CHECKSUM);
	}
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

int
main(void)
{
	test_base62_characters();
	test_base62();
	test_checksum();
	test_parse();
	test_every_byte();
	test_checksum_overflow();
	test_corruption();
	test_explain();
	test_redacted();
	return report();
}
