/*
 * key_format.c
 *		The text of a key: its parts, its checksum, and finding it in other text.
 *
 * A key is a prefix, fpkt_ fpkl_ fskt_ fskl_ ftkt_ or ftkl_, and a body of 20
 * to 50 base62 characters.  A body of 49 ends in the CRC-32 of everything
 * before it; bodies of other lengths, made elsewhere, carry no checksum.
 *
 * This room may call zlib's CRC-32 and the C library's string functions, and
 * nothing else: no server header, so that it can be unit-tested and fuzzed
 * alone.  It keeps no copy of the text that it is given.
 */
#include "key_format.h"

#include <string.h>
#include <zlib.h>

#define CHECKED_BODY_LENGTH (KEY_RANDOM_LENGTH + KEY_CHECKSUM_LENGTH)

/* How much text is looked at together; KEY_FORMAT_PAUSE is a multiple of it */
#define BLOCK				256

/* in order of value */
const char	key_format_base62_digits[62 + 1] =
"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* not isalnum(), which asks the locale */
static inline bool
is_base62(char c)
{
	unsigned char digit = (unsigned char) (c - '0');
	unsigned char letter = (unsigned char) ((c | 0x20) - 'a');	/* of either case */

	return (digit <= 9) | (letter <= 25);
}

bool
key_format_is_base62(char c)
{
	return is_base62(c);
}

/* The value of a base62 character */
static inline unsigned int
digit_value(char c)
{
	/* By the upper bits of the character: '0' to '9', 'A' to 'Z', 'a' to 'z' */
	static const signed char first[4] = {0, '0', 'A' - 10, 'a' - 36};

	return (unsigned int) (c - first[c >> 5 & 3]);
}

static bool
starts_with_prefix(const char *text, size_t length)
{
	return length >= KEY_PREFIX_LENGTH &&
		text[0] == 'f' &&
		(text[1] == 'p' || text[1] == 's' || text[1] == 't') &&
		text[2] == 'k' &&
		(text[3] == 't' || text[3] == 'l') &&
		text[4] == '_';
}

static inline void
pause_if(KeyFormatPause pause)
{
	if (pause != NULL)
		pause();
}

/* How many body characters text starts with */
static size_t
run_length(const char *text, size_t length, KeyFormatPause pause)
{
	size_t		run = 0;

	while (run < length && is_base62(text[run]))
	{
		run++;
		if (run % KEY_FORMAT_PAUSE == 0)
			pause_if(pause);
	}
	return run;
}

/* Looks at every character without branches, so that the compiler can vectorize it. */
static bool
all_base62(const char *text, size_t length)
{
	unsigned char others = 0;	/* no more than KEY_BODY_MAX */
	size_t		i;

	for (i = 0; i < length; i++)
		others += is_base62(text[i]) ? 0 : 1;
	return others == 0;
}

/* key is a prefix and body_length body characters. */
static KeyChecksum
check(const char *key, size_t body_length)
{
	const char *checksum = key + KEY_PREFIX_LENGTH + KEY_RANDOM_LENGTH;
	unsigned long long claimed = 0;
	int			i;

	if (body_length != CHECKED_BODY_LENGTH)
		return KEY_CHECKSUM_NONE;
	for (i = 0; i < KEY_CHECKSUM_LENGTH; i++)
		claimed = claimed * 62 + digit_value(checksum[i]);
	return claimed == crc32_z(0, (const Bytef *) key, (size_t) (checksum - key)) ?
		KEY_CHECKSUM_RIGHT : KEY_CHECKSUM_WRONG;
}

/* key is a prefix and at least four body characters. */
static void
take_apart(const char *key, size_t body_length, KeyParts *parts)
{
	parts->kind = key[1];
	parts->mode = key[3];
	memcpy(parts->last_four,
		   key + KEY_PREFIX_LENGTH + body_length - KEY_LAST_FOUR, KEY_LAST_FOUR);
	parts->checksum = check(key, body_length);
}

KeyFormatError
key_format_parse(const char *text, size_t length, KeyParts *parts)
{
	size_t		body_length;
	KeyParts	found;

	if (!starts_with_prefix(text, length))
		return KEY_FORMAT_BAD_PREFIX;
	body_length = length - KEY_PREFIX_LENGTH;
	if (body_length < KEY_BODY_MIN || body_length > KEY_BODY_MAX)
		return KEY_FORMAT_BAD_LENGTH;
	if (!all_base62(text + KEY_PREFIX_LENGTH, body_length))
		return KEY_FORMAT_BAD_CHARACTER;
	take_apart(text, body_length, &found);
	if (found.checksum == KEY_CHECKSUM_WRONG)
		return KEY_FORMAT_BAD_CHECKSUM;
	*parts = found;
	return KEY_FORMAT_OK;
}

const char *
key_format_explain(KeyFormatError error)
{
	switch (error)
	{
		case KEY_FORMAT_OK:
			break;
		case KEY_FORMAT_BAD_PREFIX:
			return "A key starts with fpkt_, fpkl_, fskt_, fskl_, ftkt_, or ftkl_.";
		case KEY_FORMAT_BAD_LENGTH:
			return "A key has 20 to 50 characters after its prefix.";
		case KEY_FORMAT_BAD_CHARACTER:
			return "A key has only digits and the letters A-Z and a-z after its prefix.";
		case KEY_FORMAT_BAD_CHECKSUM:
			return "The checksum at the end of the key is wrong.";
	}
	return "The key is well-formed.";
}

void
key_format_checksum(const char *text, size_t length, char checksum[KEY_CHECKSUM_LENGTH])
{
	uLong		crc = crc32_z(0, (const Bytef *) text, length);
	unsigned char number[4];

	number[0] = (crc >> 24) & 0xff;
	number[1] = (crc >> 16) & 0xff;
	number[2] = (crc >> 8) & 0xff;
	number[3] = crc & 0xff;
	key_format_base62(number, sizeof(number), checksum, KEY_CHECKSUM_LENGTH);
}

/*
 * Multiplies and adds in place in out, so that no copy of the number is made,
 * which may be secret.
 */
void
key_format_base62(const unsigned char *number, size_t number_length,
				  char *out, size_t out_length)
{
	size_t		i;
	size_t		k;

	for (k = 0; k < out_length; k++)
		out[k] = 0;
	for (i = 0; i < number_length; i++)
	{
		unsigned int carry = number[i];

		for (k = out_length; k-- > 0;)
		{
			carry += (unsigned int) out[k] * 256;
			out[k] = (char) (carry % 62);
			carry /= 62;
		}
	}
	for (k = 0; k < out_length; k++)
		out[k] = key_format_base62_digits[(int) out[k]];
}

void
key_format_redacted(const KeyParts *parts, char out[KEY_REDACTED_LENGTH])
{
	out[0] = 'f';
	out[1] = parts->kind;
	out[2] = 'k';
	out[3] = parts->mode;
	out[4] = '_';
	memset(out + KEY_PREFIX_LENGTH, '*', 4);
	memcpy(out + KEY_PREFIX_LENGTH + 4, parts->last_four, KEY_LAST_FOUR);
}

/*
 * Where does the body behind a key's prefix end?  The run of a key that is
 * glued to another one includes the "fskt" of the other's prefix; but a body
 * may also end in such letters, followed by a '_' by chance.
 */
static size_t
body_length_in_run(const char *key, size_t length, size_t run, KeyFormatPause pause)
{
	size_t		body_length = run - (KEY_PREFIX_LENGTH - 1);
	const char *next = key + KEY_PREFIX_LENGTH + body_length;
	size_t		next_length = length - KEY_PREFIX_LENGTH - body_length;

	if (!starts_with_prefix(next, next_length))
		return run;

	/* If a key starts there, the letters belong to it, or it would be overlooked. */
	if (run_length(next + KEY_PREFIX_LENGTH, next_length - KEY_PREFIX_LENGTH, pause) >= KEY_BODY_MIN)
		return body_length;

	/*
	 * Otherwise they belong to this key, if it is no key without them or its
	 * checksum is right with them.
	 */
	if (body_length < KEY_BODY_MIN || check(key, run) == KEY_CHECKSUM_RIGHT)
		return run;
	return body_length;
}

/* May a prefix start in these BLOCK bytes?  Reads KEY_PREFIX_LENGTH - 1 more; without branches, as above. */
static bool
block_may_have_prefix(const char *text)
{
	unsigned char found = 0;
	size_t		i;

	for (i = 0; i < BLOCK; i++)
		found |= (text[i] == 'f') & (text[i + 2] == 'k') & (text[i + 4] == '_');
	return found != 0;
}

/* The next prefix that starts in text at or after from, and before end */
static bool
prefix_between(const char *text, size_t length, size_t from, size_t end, size_t *start)
{
	while (from < end)
	{
		const char *f = memchr(text + from, 'f', end - from);

		if (f == NULL)
			return false;
		from = (size_t) (f - text);
		if (starts_with_prefix(f, length - from))
		{
			*start = from;
			return true;
		}
		from++;
	}
	return false;
}

bool
key_format_next_prefix(const char *text, size_t length, size_t from, KeyFormatPause pause,
					   size_t *start)
{
	size_t		looked_at = 0;

	pause_if(pause);
	while (from < length && length - from >= BLOCK + KEY_PREFIX_LENGTH - 1)
	{
		if (block_may_have_prefix(text + from) &&
			prefix_between(text, length, from, from + BLOCK, start))
			return true;
		from += BLOCK;
		looked_at += BLOCK;
		if (looked_at % KEY_FORMAT_PAUSE == 0)
			pause_if(pause);
	}
	return prefix_between(text, length, from, length, start);
}

/*
 * The next prefix at or after from with a run behind it that is long enough to
 * hold a key.  The body may be too long for one, or up to four characters too
 * short where the next key's prefix ends the run.
 */
static bool
find_candidate(const char *text, size_t length, size_t from, KeyFormatPause pause,
			   size_t *start, size_t *body_length)
{
	while (key_format_next_prefix(text, length, from, pause, start))
	{
		const char *key = text + *start;
		size_t		rest = length - *start;
		size_t		run = run_length(key + KEY_PREFIX_LENGTH, rest - KEY_PREFIX_LENGTH, pause);

		if (run >= KEY_BODY_MIN)
		{
			*body_length = body_length_in_run(key, rest, run, pause);
			return true;
		}
		from = *start + KEY_PREFIX_LENGTH;
	}
	return false;
}

bool
key_format_find(const char *text, size_t length, size_t from, KeySpan *span)
{
	return key_format_find_in_long(text, length, from, NULL, span);
}

bool
key_format_find_in_long(const char *text, size_t length, size_t from, KeyFormatPause pause,
						KeySpan *span)
{
	size_t		start;
	size_t		body_length;

	while (find_candidate(text, length, from, pause, &start, &body_length))
	{
		from = start + KEY_PREFIX_LENGTH + body_length;
		if (body_length < KEY_BODY_MIN || body_length > KEY_BODY_MAX)
			continue;
		span->start = start;
		span->length = KEY_PREFIX_LENGTH + body_length;
		take_apart(text + start, body_length, &span->parts);
		return true;
	}
	return false;
}

size_t
key_format_redact_text(const char *text, size_t length, char *out, KeyFormatPause pause)
{
	size_t		done = 0;
	size_t		written = 0;
	size_t		start;
	size_t		body_length;

	while (find_candidate(text, length, done, pause, &start, &body_length))
	{
		KeyParts	parts;

		take_apart(text + start, body_length, &parts);
		memmove(out + written, text + done, start - done);
		written += start - done;
		key_format_redacted(&parts, out + written);
		written += KEY_REDACTED_LENGTH;
		done = start + KEY_PREFIX_LENGTH + body_length;
	}
	if (done < length)
	{
		memmove(out + written, text + done, length - done);
		written += length - done;
	}
	return written;
}
