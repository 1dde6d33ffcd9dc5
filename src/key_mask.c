/*
 * key_mask.c
 *		Masking keys in what is logged or shown, in place, also where they are cut off.
 *
 * There are a few shapes in which a key may stand in a text.  Each has a
 * function that finds the next one, and a text is gone through once for each:
 * what one of them has masked is nothing that another one would find.
 *
 * As key_format, it includes no server header.
 */
#include "key_mask.h"

#include <string.h>

#include "key_format.h"

#define STARS			4

/* Of an end: fewer characters leave too much of a key unknown to be of use. */
#define TAIL_MIN		12

/* Where a key stands, and what of it may be seen */
typedef struct Match
{
	size_t		start;
	size_t		length;
	size_t		shown_before;
	size_t		shown_after;
} Match;

typedef bool (*NextMatch) (const char *text, size_t length, size_t from, Match *match);

/* How many body characters text starts with */
static size_t
run_length(const char *text, size_t length)
{
	size_t		run = 0;

	while (run < length && key_format_is_base62(text[run]))
		run++;
	return run;
}

/* A key as it is; without its end, if that is missing */
static bool
next_key(const char *text, size_t length, size_t from, Match *match)
{
	while (key_format_next_prefix(text, length, from, NULL, &match->start))
	{
		size_t		body = match->start + KEY_PREFIX_LENGTH;
		size_t		run = run_length(text + body, length - body);
		size_t		next;

		/* The last letters may be those of another key's prefix. */
		if (run >= KEY_PREFIX_LENGTH - 1 && body + run < length &&
			key_format_next_prefix(text, body + run + 1, body + run - (KEY_PREFIX_LENGTH - 1), NULL, &next))
			run -= KEY_PREFIX_LENGTH - 1;
		from = body + run;
		if (run == 0)
			continue;
		match->length = KEY_PREFIX_LENGTH + run;
		match->shown_before = KEY_PREFIX_LENGTH;
		match->shown_after = run >= KEY_BODY_MIN ? KEY_LAST_FOUR : 0;
		return true;
	}
	return false;
}

/*
 * Whether bytes that come one by one hold a prefix with a character behind it:
 * state is how much of it the last ones are.
 */
static bool
key_follows(int *state, unsigned char byte)
{
	static const char *const expected[KEY_PREFIX_LENGTH] = {"f", "pst", "k", "tl", "_"};

	if (*state == KEY_PREFIX_LENGTH)
	{
		if (key_format_is_base62((char) byte))
			return true;
		*state = 0;
	}
	if (byte != '\0' && strchr(expected[*state], byte) != NULL)
		(*state)++;
	else
		*state = byte == 'f' ? 1 : 0;
	return false;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

/* Does a word in base64 hold a key?  Sets its length.  JSON may have its slashes escaped. */
static bool
base64_word(const char *text, size_t length, size_t *word_length)
{
	unsigned int bits = 0;
	int			count = 0;
	int			state = 0;
	bool		found = false;
	size_t		i;

	for (i = 0; i < length; i++)
	{
		int			value = base64_value(text[i]);

		if (text[i] == '\\' && i + 1 < length && text[i + 1] == '/')
			continue;
		if (value < 0)
			break;
		bits = (bits << 6 | (unsigned int) value) & 0xffff;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		found |= key_follows(&state, bits >> count & 0xff);
	}
	while (i < length && text[i] == '=')
		i++;
	*word_length = i;
	return found;
}

static bool
is_basic(const char *text)
{
	return (text[0] | 0x20) == 'b' && (text[1] | 0x20) == 'a' && (text[2] | 0x20) == 's' &&
		(text[3] | 0x20) == 'i' && (text[4] | 0x20) == 'c';
}

/* The word behind "Basic" */
static bool
next_basic(const char *text, size_t length, size_t from, Match *match)
{
	for (; from + 5 < length; from++)
	{
		size_t		word = from + 5;

		if (!is_basic(text + from) || (text[word] != ' ' && text[word] != '\t'))
			continue;
		while (word < length && (text[word] == ' ' || text[word] == '\t'))
			word++;
		match->start = word;
		match->shown_before = 0;
		match->shown_after = 0;
		if (base64_word(text + word, length - word, &match->length))
			return true;
	}
	return false;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* The hexadecimal digits behind "\x" */
static bool
next_hex(const char *text, size_t length, size_t from, Match *match)
{
	while (from + 2 < length)
	{
		const char *backslash = memchr(text + from, '\\', length - from - 2);
		int			state = 0;
		bool		found = false;
		size_t		i;

		if (backslash == NULL)
			return false;
		from = (size_t) (backslash - text) + 1;
		if (text[from] != 'x' && text[from] != 'X')
			continue;
		match->start = ++from;
		for (i = from; i + 1 < length && hex_value(text[i]) >= 0 && hex_value(text[i + 1]) >= 0; i += 2)
			found |= key_follows(&state, (unsigned char) (hex_value(text[i]) << 4 | hex_value(text[i + 1])));
		if (i < length && hex_value(text[i]) >= 0)
			i++;
		match->length = i - from;
		match->shown_before = 0;
		match->shown_after = 0;
		from = i;
		if (found)
			return true;
	}
	return false;
}

/* Whatever may be the end of a key whose beginning is missing, if it starts here */
static bool
tail_at(const char *text, size_t length, size_t start, Match *match)
{
	static const char prefix_letters[] = "fpstkl";
	size_t		letters = 0;

	match->start = start;
	while (start + letters < length && letters < KEY_PREFIX_LENGTH - 1 &&
		   text[start + letters] != '\0' && strchr(prefix_letters, text[start + letters]) != NULL)
		letters++;
	if (start + letters < length && text[start + letters] == '_')
		match->start += letters + 1;
	match->length = run_length(text + match->start, length - match->start);
	match->shown_before = 0;
	match->shown_after = 0;
	return match->length >= TAIL_MIN;
}

/* Behind "..." */
static bool
next_tail(const char *text, size_t length, size_t from, Match *match)
{
	while (from + 3 < length)
	{
		const char *dots = memchr(text + from, '.', length - from - 3);

		if (dots == NULL)
			return false;
		from = (size_t) (dots - text) + 1;
		if (dots[1] != '.' || dots[2] != '.')
			continue;
		if (tail_at(text, length, from + 2, match))
			return true;
		from = match->start + match->length;
	}
	return false;
}

/* Is there nothing but a caret in the line behind this one? */
static bool
caret_follows(const char *text, size_t length, size_t from)
{
	const char *end = memchr(text + from, '\n', length - from);

	if (end == NULL)
		return false;
	for (from = (size_t) (end - text) + 1; from < length && text[from] == ' '; from++)
		;
	return from < length && text[from] == '^';
}

/* Where a line begins that a caret points into: libxml shows as much of it as 80 columns have. */
static bool
next_line_tail(const char *text, size_t length, size_t from, Match *match)
{
	while (from < length)
	{
		const char *end = memchr(text + from, '\n', length - from);

		if (end == NULL)
			return false;
		from = (size_t) (end - text) + 1;
		if (tail_at(text, length, from, match) &&
			caret_follows(text, length, match->start + match->length))
			return true;
	}
	return false;
}

/* A key of which key_mask_keep_length has left many stars */
static bool
next_stars(const char *text, size_t length, size_t from, Match *match)
{
	size_t		start;

	while (key_format_next_prefix(text, length, from, NULL, &start))
	{
		match->start = from = start + KEY_PREFIX_LENGTH;
		while (from < length && text[from] == '*')
			from++;
		match->length = from - match->start;
		match->shown_before = 0;
		match->shown_after = 0;
		if (match->length > STARS)
			return true;
	}
	return false;
}

/* What is looked at together: little, since most texts are short */
#define BLOCK			64
#define BLOCK_READS		(BLOCK + 5)

/* The shapes that a text may have, as bits */
#define SHAPE_KEY		1
#define SHAPE_BASIC		2
#define SHAPE_HEX		4
#define SHAPE_TAIL		8
#define SHAPE_LINE_TAIL	16

/*
 * Which of the shapes may start here?  A caret may be the last of all, so it is
 * looked for as far ahead as this reads.  Without branches, so that the compiler can
 * vectorize it.
 */
static int
shapes_of_block(const char *text)
{
	unsigned char key = 0;
	unsigned char basic = 0;
	unsigned char hex = 0;
	unsigned char tail = 0;
	unsigned char line_tail = 0;
	size_t		i;

	for (i = 0; i < BLOCK; i++)
	{
		key |= (text[i] == 'f') & (text[i + 2] == 'k') & (text[i + 4] == '_');
		basic |= ((text[i] | 0x20) == 'b') & ((text[i + 2] | 0x20) == 's') & ((text[i + 4] | 0x20) == 'c');
		hex |= (text[i] == '\\') & ((text[i + 1] | 0x20) == 'x');
		tail |= (text[i] == '.') & (text[i + 1] == '.') & (text[i + 2] == '.');
		line_tail |= ((text[i + 3] == ' ') | (text[i + 3] == '\n')) & (text[i + 4] == '^');
	}
	return (key ? SHAPE_KEY : 0) | (basic ? SHAPE_BASIC : 0) | (hex ? SHAPE_HEX : 0) |
		(tail ? SHAPE_TAIL : 0) | (line_tail ? SHAPE_LINE_TAIL : 0);
}

/* One look at all of it, for the common case that there is nothing */
static int
shapes_of(const char *text, size_t length)
{
	char		rest[BLOCK_READS] = {0};
	volatile char *cleansed = rest;
	int			shapes = 0;
	int			last;

	while (length >= BLOCK_READS)
	{
		shapes |= shapes_of_block(text);
		text += BLOCK;
		length -= BLOCK;
	}
	if (length == 0)
		return shapes;
	memcpy(rest, text, length);
	last = shapes_of_block(rest);
	if ((shapes | last) != 0)
	{
		for (size_t i = 0; i < length; i++)
			cleansed[i] = '\0';
	}
	return shapes | last;
}

/* Masks one shape in text, stars for stars or four for all of them. */
static size_t
mask(char *text, size_t length, NextMatch next, bool keep_length)
{
	size_t		done = 0;
	size_t		written = 0;
	Match		match;

	while (next(text, length, done, &match))
	{
		size_t		hidden = match.length - match.shown_before - match.shown_after;
		size_t		stars = keep_length || hidden < STARS ? hidden : STARS;
		size_t		before = match.start + match.shown_before - done;

		memmove(text + written, text + done, before);
		written += before;
		memset(text + written, '*', stars);
		written += stars;
		done += before + hidden;
		memmove(text + written, text + done, match.shown_after);
		written += match.shown_after;
		done += match.shown_after;
	}
	memmove(text + written, text + done, length - done);
	return written + length - done;
}

static size_t
mask_all(char *text, size_t length, bool log_line, bool keep_length)
{
	int			shapes = shapes_of(text, length);

	if (shapes & SHAPE_KEY)
		length = mask(text, length, next_key, keep_length);
	if (shapes & SHAPE_BASIC)
		length = mask(text, length, next_basic, keep_length);
	if (shapes & SHAPE_HEX)
		length = mask(text, length, next_hex, keep_length);
	if (log_line && (shapes & SHAPE_TAIL))
		length = mask(text, length, next_tail, keep_length);
	if (log_line && (shapes & SHAPE_LINE_TAIL))
		length = mask(text, length, next_line_tail, keep_length);
	if (log_line && (shapes & SHAPE_KEY))
		length = mask(text, length, next_stars, keep_length);
	return length;
}

bool
key_mask_finds(const char *text, size_t length)
{
	int			shapes = shapes_of(text, length);
	Match		match;

	return ((shapes & SHAPE_KEY) && next_key(text, length, 0, &match)) ||
		((shapes & SHAPE_BASIC) && next_basic(text, length, 0, &match)) ||
		((shapes & SHAPE_HEX) && next_hex(text, length, 0, &match));
}

size_t
key_mask_shorten(char *text, size_t length)
{
	return mask_all(text, length, false, false);
}

size_t
key_mask_log_line(char *text, size_t length)
{
	return mask_all(text, length, true, false);
}

void
key_mask_keep_length(char *text, size_t length)
{
	(void) mask_all(text, length, false, true);
}
