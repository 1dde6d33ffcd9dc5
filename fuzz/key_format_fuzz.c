/*
 * key_format_fuzz.c
 *		Checks of src/key_format.c that hold for every text, for libFuzzer.
 *
 * What is expected is worked out byte by byte, see reference.h.  An input is
 * taken three times: as a text, as instructions for building a text of keys and
 * pieces of keys, and as a number.
 */
#include "reference.h"

/* What the corpus comes upon, or its checks would show little */
typedef enum Path
{
	PARSED_WITHOUT_CHECKSUM,
	PARSED_WITH_CHECKSUM,
	REFUSED_PREFIX,
	REFUSED_LENGTH,
	REFUSED_CHARACTER,
	REFUSED_CHECKSUM,
	FOUND_ALONE,
	FOUND_WITH_WRONG_CHECKSUM,
	FOUND_BEFORE_GLUED_KEY,
	FOUND_BEFORE_GLUED_PIECE,
	FOUND_FOR_WANT_OF_LENGTH,
	FOUND_BY_CHECKSUM,
	MASKED_TOO_LONG,
	MASKED_TOO_SHORT
} Path;

#define PATH_COUNT (MASKED_TOO_SHORT + 1)

unsigned long reached[PATH_COUNT];
const int	path_count = PATH_COUNT;

const char *const path_names[] = {
	"a key without checksum parsed",
	"a key with a right checksum parsed",
	"a text refused for its prefix",
	"a text refused for its length",
	"a text refused for a character",
	"a key refused for its checksum",
	"a key found alone",
	"a key found with a wrong checksum",
	"a key found before a glued key",
	"a key found before a glued piece of a key",
	"a key found that needs the letters of a prefix",
	"a key found that has the letters of a prefix by its checksum",
	"a run masked that is too long",
	"a run masked that is too short"
};

/* Its right checksum ends in the first letters of a prefix, which chance will not find. */
#define LOOKALIKE "fskt_dE5T51ku4jCeXWrILmKdei4yGgtZNMYVDzJZXfSvlVI00fskt"

static void *
allocate(size_t size)
{
	void	   *memory = malloc(size > 0 ? size : 1);

	if (memory == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	return memory;
}

static bool
same_parts(const KeyParts *parts, const char *key, size_t body_length)
{
	return parts->kind == key[1] &&
		parts->mode == key[3] &&
		memcmp(parts->last_four, key + 5 + body_length - 4, 4) == 0 &&
		parts->checksum == expected_state(key, body_length);
}

static Path
path_of_parse(KeyFormatError error, size_t length)
{
	switch (error)
	{
		case KEY_FORMAT_BAD_PREFIX:
			return REFUSED_PREFIX;
		case KEY_FORMAT_BAD_LENGTH:
			return REFUSED_LENGTH;
		case KEY_FORMAT_BAD_CHARACTER:
			return REFUSED_CHARACTER;
		case KEY_FORMAT_BAD_CHECKSUM:
			return REFUSED_CHECKSUM;
		case KEY_FORMAT_OK:
			break;
	}
	return length == 54 ? PARSED_WITH_CHECKSUM : PARSED_WITHOUT_CHECKSUM;
}

static void
check_parse(const char *text, size_t length)
{
	KeyFormatError expected = expected_error(text, length);
	KeyParts	parts;
	KeySpan		span;

	reached[path_of_parse(expected, length)]++;
	CHECK(key_format_parse(text, length, &parts) == expected);
	if (expected != KEY_FORMAT_OK)
		return;
	CHECK(same_parts(&parts, text, length - 5));

	/* A whole key is also found, as itself. */
	CHECK(key_format_find(text, length, 0, &span));
	CHECK(span.start == 0 && span.length == length);
	CHECK(same_parts(&span.parts, text, length - 5));
}

/* How much of the run behind the prefix at start is this key's, and why */
static size_t
expected_body_length(const char *text, size_t length, size_t start, size_t run, Path *path)
{
	size_t		next = start + 5 + run - 4;
	bool		next_is_key;

	*path = FOUND_ALONE;
	if (!prefix_at(text, length, next))
		return run;
	next_is_key = run_at(text, length, next + 5) >= 20;
	if (!next_is_key && expected_state(text + start, run) == KEY_CHECKSUM_RIGHT)
	{
		*path = FOUND_BY_CHECKSUM;
		return run;
	}
	if (!next_is_key && run < 24)
	{
		*path = FOUND_FOR_WANT_OF_LENGTH;
		return run;
	}
	*path = next_is_key ? FOUND_BEFORE_GLUED_KEY : FOUND_BEFORE_GLUED_PIECE;
	return run - 4;
}

static void
check_text(const char *text, size_t length)
{
	char	   *expected = allocate(length);
	char	   *redacted = allocate(length);
	char	   *in_place = allocate(length);
	size_t		expected_length = 0;
	size_t		redacted_length;
	size_t		done = 0;
	size_t		from = 0;
	size_t		searched = 0;
	size_t		i;
	KeySpan		span;

	check_parse(text, length);

	/* Find each key, and mask what may be one. */
	for (i = 0; i < length; i++)
	{
		size_t		run;
		size_t		body_length;
		size_t		k;
		KeyParts	parts;
		Path		path;

		if (!prefix_at(text, length, i))
			continue;
		run = run_at(text, length, i + 5);
		if (run < 20)
			continue;
		body_length = expected_body_length(text, length, i, run, &path);

		CHECK(done <= i);
		while (done < i)
			expected[expected_length++] = text[done++];
		for (k = 0; k < 5; k++)
			expected[expected_length++] = text[i + k];
		for (k = 0; k < 4; k++)
			expected[expected_length++] = '*';
		done = i + 5 + body_length;
		for (k = done - 4; k < done; k++)
			expected[expected_length++] = text[k];

		if (body_length < 20 || body_length > 50)
		{
			reached[body_length < 20 ? MASKED_TOO_SHORT : MASKED_TOO_LONG]++;
			continue;
		}
		reached[path]++;

		CHECK(key_format_find(text, length, from, &span));
		CHECK(span.start == i && span.length == 5 + body_length);
		CHECK(same_parts(&span.parts, text + i, body_length));
		if (span.parts.checksum == KEY_CHECKSUM_WRONG)
		{
			reached[FOUND_WITH_WRONG_CHECKSUM]++;
			CHECK(key_format_parse(text + i, 5 + body_length, &parts) == KEY_FORMAT_BAD_CHECKSUM);
		}
		else
		{
			CHECK(key_format_parse(text + i, 5 + body_length, &parts) == KEY_FORMAT_OK);
			CHECK(same_parts(&parts, text + i, body_length));
		}
		from = i + 5 + body_length;

		/* From wherever a search starts, it finds the next one; long texts would take long. */
		for (; searched <= i && length <= 128; searched++)
		{
			CHECK(key_format_find(text, length, searched, &span));
			CHECK(span.start == i && span.length == 5 + body_length);
		}
	}
	while (done < length)
		expected[expected_length++] = text[done++];
	CHECK(!key_format_find(text, length, from, &span));
	for (; searched <= length + 2 && length <= 128; searched++)
		CHECK(!key_format_find(text, length, searched, &span));

	redacted_length = key_format_redact_text(text, length, redacted, NULL);
	CHECK(redacted_length <= length);
	CHECK(redacted_length == expected_length &&
		  memcmp(redacted, expected, expected_length) == 0);

	/* Nothing is left in it that could be a key, so that masking again changes nothing. */
	for (i = 0; i < redacted_length; i++)
		if (prefix_at(redacted, redacted_length, i))
			CHECK(run_at(redacted, redacted_length, i + 5) < 20);
	CHECK(!key_format_find(redacted, redacted_length, 0, &span));
	CHECK(key_format_redact_text(redacted, redacted_length, in_place, NULL) == redacted_length);
	CHECK(memcmp(in_place, redacted, redacted_length) == 0);

	memcpy(in_place, text, length);
	CHECK(key_format_redact_text(in_place, length, in_place, NULL) == redacted_length);
	CHECK(memcmp(in_place, redacted, redacted_length) == 0);

	free(expected);
	free(redacted);
	free(in_place);
}

static void
check_number(const uint8_t *data, size_t size)
{
	unsigned char number[32];
	size_t		number_length = size > 32 ? 32 : size;
	size_t		out_length = size > 0 ? data[0] % 50 : 0;
	size_t		place = out_length;
	char	   *out = allocate(out_length);
	char		checksum[6];
	char		expected[6];

	key_format_base62(data, number_length, out, out_length);
	memcpy(number, data, number_length);
	while (place-- > 0)
	{
		unsigned int remainder = 0;
		size_t		i;

		for (i = 0; i < number_length; i++)
		{
			remainder = remainder * 256 + number[i];
			number[i] = (unsigned char) (remainder / 62);
			remainder %= 62;
		}
		CHECK(out[place] == digits[remainder]);
	}
	free(out);

	key_format_checksum((const char *) data, size, checksum);
	expected_checksum((const char *) data, size, expected);
	CHECK(memcmp(checksum, expected, 6) == 0);
}

/* A text under construction, and the instructions that are left */
typedef struct Building
{
	char		text[2048];
	size_t		length;
	size_t		prefix;			/* where the last one starts */
	const uint8_t *data;
	size_t		size;
} Building;

static unsigned int
take(Building *building)
{
	if (building->size == 0)
		return 0;
	building->size--;
	return *building->data++;
}

static void
add(Building *building, const char *text, size_t length)
{
	if (length > sizeof(building->text) - building->length)
		return;
	memcpy(building->text + building->length, text, length);
	building->length += length;
}

static void
add_prefix(Building *building, unsigned int which)
{
	building->prefix = building->length;
	add(building, prefixes[which % PREFIX_COUNT], 5);
}

static void
add_body(Building *building, size_t length, unsigned int seed)
{
	for (; length > 0; length--)
	{
		seed = seed * 1103515245u + 12345u;
		add(building, &digits[(seed >> 16) % 62], 1);
	}
}

static void
add_checksum(Building *building)
{
	char		checksum[6];

	expected_checksum(building->text + building->prefix,
					  building->length - building->prefix, checksum);
	add(building, checksum, 6);
}

static void
build(Building *building)
{
	while (building->size > 0)
	{
		unsigned int instruction = take(building);
		unsigned int detail = instruction / 8;

		switch (instruction % 8)
		{
			case 0:
				add_prefix(building, detail);
				break;
			case 1:
				add_body(building, take(building) % 64, detail);
				break;
			case 2:
				add_checksum(building);
				break;
			case 3:
				add_prefix(building, detail);
				add_body(building, 43, take(building));
				add_checksum(building);
				break;
			case 4:
				add(building, prefixes[detail % PREFIX_COUNT], 1 + detail % 4);
				break;
			case 5:
				add(building, LOOKALIKE "_", detail % 2 ? 54 : 55);
				break;
			case 6:
				{
					char		c = (char) take(building);

					add(building, &c, 1);
					break;
				}
			case 7:
				if (detail % 2)
					building->length -= building->length < detail ? building->length : detail;
				else if (building->length > 0)
				{
					size_t		at = (take(building) * 256 + take(building)) % building->length;

					building->text[at] = (char) take(building);
				}
				if (building->prefix > building->length)
					building->prefix = building->length;
				break;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Building	building = {{0}, 0, 0, NULL, 0};
	char	   *exact;

	/* Buffers of exactly the text's length, so that a byte read outside is seen */
	exact = allocate(size);
	if (size > 0)
		memcpy(exact, data, size);
	check_text(exact, size);
	free(exact);

	building.data = data;
	building.size = size;
	build(&building);
	exact = allocate(building.length);
	memcpy(exact, building.text, building.length);
	check_text(exact, building.length);
	free(exact);

	check_number(data, size);
	return 0;
}
