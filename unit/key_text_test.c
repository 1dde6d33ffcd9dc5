/*
 * key_text_test.c
 *		Checks of src/key_format.c by example, without a server: keys in other text.
 *
 * Prints as key_format_test does.
 */
#include "samples.h"

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
	written = key_format_redact_text(exact, length, out, NULL);
	check(written == redacted_length && memcmp(out, redacted, written) == 0,
		  "the text is redacted as expected", line);
	check(memcmp(exact, text, length) == 0, "the text itself stays as it is", line);

	written = key_format_redact_text(exact, length, exact, NULL);
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
	CHECK(key_format_redact_text(NULL, 0, NULL, NULL) == 0);
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
		size_t		written = key_format_redact_text(exact, length, out, NULL);
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

static size_t pauses;

static void
count_pause(void)
{
	pauses++;
}

/* However little there is to be done for it, a long text is not gone through in one go. */
static void
test_pauses(void)
{
	static const char *const repeated[] = {"x", "_", "fskt_", "fskt_" B19 " ", "fskt_" B20 " ", GENERATED, LOOKALIKE};
	size_t		length = 32 * KEY_FORMAT_PAUSE;
	char	   *text = malloc(length + 1);
	size_t		i;
	size_t		k;

	for (i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++)
	{
		for (k = 0; k < length; k++)
			text[k] = repeated[i][k % strlen(repeated[i])];
		pauses = 0;
		(void) key_format_redact_text(text, length, text, count_pause);
		CHECK(pauses >= 31);
	}

	/* a run that is no key's, behind a key's prefix */
	memset(text, 'x', length);
	memcpy(text, "fskt_", KEY_PREFIX_LENGTH);
	pauses = 0;
	(void) key_format_redact_text(text, length, text, count_pause);
	CHECK(pauses >= 31);
	free(text);
}

int
main(void)
{
	test_text_without_keys();
	test_text_with_keys();
	test_glued();
	test_find();
	test_truncated();
	test_pauses();
	return report();
}
