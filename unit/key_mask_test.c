/*
 * key_mask_test.c
 *		Checks of src/key_mask.c by example, without a server: keys in what is logged.
 */
#include "key_mask.h"

#include "samples.h"

#define GENERATED_STARS "fpkl_*********************************************iEzp"

/* GENERATED in base64 with 0 to 2 bytes before it, and in hexadecimal */
#define BASE64_0 "ZnBrbF8wMTIzNDU2Nzg5QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnMFBpRXpwOg=="
#define BASE64_1 "OmZwa2xfMDEyMzQ1Njc4OUFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaYWJjZGVmZzBQaUV6cA=="
#define BASE64_2 "YTpmcGtsXzAxMjM0NTY3ODlBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWmFiY2RlZmcwUGlFenA="
#define HEX "66706b6c5f303132333435363738394142434445464748494a4b4c4d4e4f505152535455565758595a616263646566673050694" "57a70"

static void
check_masked(const char *text, const char *expected, bool log_line, bool keep_length, int line)
{
	size_t		length = strlen(text);
	char	   *exact = copy(text, length);
	size_t		masked = length;

	if (!log_line && !keep_length)
		check(key_mask_finds(exact, length) == (strcmp(text, expected) != 0), text, line);
	if (keep_length)
		key_mask_keep_length(exact, length);
	else if (log_line)
		masked = key_mask_log_line(exact, length);
	else
		masked = key_mask_shorten(exact, length);
	check(masked == strlen(expected) && memcmp(exact, expected, masked) == 0, text, line);
	check(!key_mask_finds(exact, masked), "nothing is left to mask", line);
	free(exact);
}

#define SHORTEN(text, expected) check_masked(text, expected, false, false, __LINE__)
#define LOG_LINE(text, expected) check_masked(text, expected, true, false, __LINE__)
#define KEEP_LENGTH(text, expected) check_masked(text, expected, false, true, __LINE__)

static void
test_whole_keys(void)
{
	SHORTEN("", "");
	SHORTEN("no key here, fsk_ and fskt and _", "no key here, fsk_ and fskt and _");
	SHORTEN(GENERATED, GENERATED_REDACTED);
	SHORTEN("SELECT '" GENERATED "' AS a", "SELECT '" GENERATED_REDACTED "' AS a");
	SHORTEN(GENERATED GENERATED_SECRET, GENERATED_REDACTED GENERATED_SECRET_REDACTED);
	SHORTEN("x" GENERATED "-" GENERATED_SECRET "\377", "x" GENERATED_REDACTED "-" GENERATED_SECRET_REDACTED "\377");
	SHORTEN("fskt_" B51 B51 ".", "fskt_****XYZa.");
	SHORTEN(GENERATED_REDACTED, GENERATED_REDACTED);
	KEEP_LENGTH("SELECT '" GENERATED "' AS a", "SELECT '" GENERATED_STARS "' AS a");
	LOG_LINE("Query: " GENERATED_STARS ".", "Query: " GENERATED_REDACTED ".");
}

static void
test_cut_off(void)
{
	size_t		length;

	SHORTEN("'fskt_a...'", "'fskt_*...'");
	SHORTEN("'fskt_abcdefgh...'", "'fskt_****...'");
	SHORTEN("fskt_", "fskt_");
	SHORTEN("fskt_fskt_fskt_abc", "fskt_fskt_fskt_***");
	LOG_LINE("line 1: ...0123456789ABCDEF\" : x...", "line 1: ...****\" : x...");
	LOG_LINE("line 1: ...kl_0123456789ABCDEF\" : x...", "line 1: ...kl_****\" : x...");
	LOG_LINE("waiting ... and waiting ...done", "waiting ... and waiting ...done");
	SHORTEN("...0123456789ABCDEF", "...0123456789ABCDEF");
	LOG_LINE("line 1: no name\n0123456789ABCDEF y &\n   ^", "line 1: no name\n**** y &\n   ^");
	LOG_LINE("line 1: no name\nkl_0123456789ABCDEF y\n^", "line 1: no name\nkl_**** y\n^");
	LOG_LINE("line 1: no name\n0123456789A y\n   ^", "line 1: no name\n0123456789A y\n   ^");
	LOG_LINE("one\n0123456789ABCDEF y\n  x ^\n", "one\n0123456789ABCDEF y\n  x ^\n");
	LOG_LINE("one\n0123456789ABCDEF", "one\n0123456789ABCDEF");
	SHORTEN("one\n0123456789ABCDEF y\n ^", "one\n0123456789ABCDEF y\n ^");
	for (length = 0; length < 200; length++)
	{
		char		text[300];
		char		expected[300];

		snprintf(text, sizeof(text), "one\n0123456789ABCDEF y\n%*s^", (int) length, "");
		snprintf(expected, sizeof(expected), "one\n**** y\n%*s^", (int) length, "");
		LOG_LINE(text, expected);
	}
	for (length = 1; length <= KEY_GENERATED_LENGTH; length++)
	{
		char	   *exact = copy(GENERATED, length);
		size_t		masked = key_mask_log_line(exact, length);

		CHECK(masked <= length);
		if (length > KEY_PREFIX_LENGTH)
			CHECK(memcmp(exact, "fpkl_*", 6) == 0);
		if (masked > KEY_PREFIX_LENGTH + 4)
			CHECK(masked == KEY_REDACTED_LENGTH);
		free(exact);
	}
}

static void
test_encoded(void)
{
	static const char *const words[] = {BASE64_0, BASE64_1, BASE64_2};
	size_t		i;
	size_t		length;

	SHORTEN("Authorization: Basic " BASE64_0 "\r\n", "Authorization: Basic ****\r\n");
	SHORTEN("{\"authorization\":\"basic " BASE64_1 "\"}", "{\"authorization\":\"basic ****\"}");
	SHORTEN("BASIC \t" BASE64_2 " and on", "BASIC \t**** and on");
	SHORTEN("Basic dXNlcjpwYXNzd29yZA==", "Basic dXNlcjpwYXNzd29yZA==");
	SHORTEN("Basic", "Basic");
	SHORTEN("Basic ", "Basic ");
	SHORTEN("Basic " GENERATED, "Basic " GENERATED_REDACTED);
	SHORTEN("basics " BASE64_0, "basics " BASE64_0);
	KEEP_LENGTH("Basic ZnNrdF9h, x", "Basic ********, x");
	/* A word with an escaped slash, as some write JSON */
	SHORTEN("Basic /\\/8\\/ZnNrdF9hYg", "Basic ****");
	/* Cut off: as soon as it has a character of the body */
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		for (length = 12; length <= strlen(words[i]); length++)
		{
			char		text[128];

			snprintf(text, sizeof(text), "Basic %.*s", (int) length, words[i]);
			SHORTEN(text, "Basic ****");
		}
	}
	SHORTEN("$1 = '\\x" HEX "'", "$1 = '\\x****'");
	SHORTEN("$1 = E'\\\\x" HEX "'", "$1 = E'\\\\x****'");
	SHORTEN("\\x00" HEX "0", "\\x****");
	SHORTEN("\\x0" HEX, "\\x0" HEX);
	SHORTEN("\\xfeff, \\x, \\", "\\xfeff, \\x, \\");
}

/* A key at each place around what is looked at together */
static void
test_places(void)
{
	size_t		before;

	for (before = 0; before < 600; before++)
	{
		char		text[1200];
		char		expected[1200];

		memset(text, 'k', before);
		memset(expected, 'k', before);
		snprintf(text + before, sizeof(text) - before, "%s and Basic %s and \\x%s.", GENERATED, BASE64_1, HEX);
		snprintf(expected + before, sizeof(expected) - before, "%s and Basic **** and \\x****.", GENERATED_REDACTED);
		SHORTEN(text, expected);
	}
}

/* Pieces at random: nothing of a body is left, and what keeps its length does. */
static void
test_random(void)
{
	static const char *const pieces[] = {
		GENERATED, GENERATED_SECRET, "fskt_", "Basic ", "basic\t", BASE64_0, BASE64_1, BASE64_2, "\\x", HEX, "...",
		"_", "f", "k", "abc", " ", "'", ".", "*", "\\", "/", "0", "=", "\303\244", "fskt_****u8Ys"
	};
	unsigned int state = 1;
	int			i;

	for (i = 0; i < 200000; i++)
	{
		char		text[1024] = "";
		char	   *exact;
		char	   *kept;
		size_t		length;
		size_t		masked;
		int			k;

		for (k = 0; k < 8; k++)
		{
			state = state * 1103515245u + 12345u;
			strcat(text, pieces[(state >> 16) % (sizeof(pieces) / sizeof(pieces[0]))]);
		}
		length = strlen(text);
		exact = copy(text, length);
		kept = copy(text, length);
		masked = key_mask_log_line(exact, length);
		key_mask_keep_length(kept, length);
		memcpy(text, exact, masked);
		text[masked] = '\0';
		CHECK(masked <= length && strstr(text, "fpkl_0") == NULL && strstr(text, "fskt_0") == NULL);
		CHECK(!key_mask_finds(kept, length));
		free(kept);
		free(exact);
	}
}

int
main(void)
{
	test_whole_keys();
	test_cut_off();
	test_encoded();
	test_places();
	test_random();
	return report();
}
