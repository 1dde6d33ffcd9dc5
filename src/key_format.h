/*
 * key_format.h
 *		The text of a key: its parts, its checksum, and finding it in other text.
 *
 * This room is plain C over zlib's CRC-32 and includes no server header, so
 * that it can be unit-tested and fuzzed alone.  It allocates nothing, and
 * whoever passes key text in cleanses it.
 */
#ifndef KEY_FORMAT_H
#define KEY_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#define KEY_PREFIX_LENGTH		5	/* "fskt_" */
#define KEY_BODY_MIN			20
#define KEY_BODY_MAX			50
#define KEY_RANDOM_LENGTH		43	/* base62 characters, 256 bits */
#define KEY_CHECKSUM_LENGTH		6	/* base62 characters, 32 bits */
#define KEY_GENERATED_LENGTH	(KEY_PREFIX_LENGTH + KEY_RANDOM_LENGTH + KEY_CHECKSUM_LENGTH)
#define KEY_MAX_LENGTH			(KEY_PREFIX_LENGTH + KEY_BODY_MAX)
#define KEY_LAST_FOUR			4
#define KEY_REDACTED_LENGTH		(KEY_PREFIX_LENGTH + 4 + KEY_LAST_FOUR) /* "fskt_****u8Ys" */

typedef enum KeyFormatError
{
	KEY_FORMAT_OK,
	KEY_FORMAT_BAD_PREFIX,
	KEY_FORMAT_BAD_LENGTH,
	KEY_FORMAT_BAD_CHARACTER,
	KEY_FORMAT_BAD_CHECKSUM
} KeyFormatError;

typedef enum KeyChecksum
{
	KEY_CHECKSUM_NONE,			/* the body's length carries none */
	KEY_CHECKSUM_RIGHT,
	KEY_CHECKSUM_WRONG
} KeyChecksum;

typedef struct KeyParts
{
	char		kind;			/* 'p', 's' or 't' */
	char		mode;			/* 't' or 'l' */
	char		last_four[KEY_LAST_FOUR];
	KeyChecksum checksum;
} KeyParts;

/* Where a key stands in other text, in bytes */
typedef struct KeySpan
{
	size_t		start;
	size_t		length;
	KeyParts	parts;
} KeySpan;

extern const char key_format_base62_digits[62 + 1];

extern bool key_format_is_base62(char c);

/* Is the whole of text a plaintext key?  *parts is set only if it is. */
extern KeyFormatError key_format_parse(const char *text, size_t length, KeyParts *parts);

/* What is wrong, as a sentence for an error's DETAIL; shows nothing of the text. */
extern const char *key_format_explain(KeyFormatError error);

/* The checksum of everything before it, prefix included. */
extern void key_format_checksum(const char *text, size_t length, char checksum[KEY_CHECKSUM_LENGTH]);

/*
 * A big-endian number of at most 32 bytes in base62, left-padded with '0' to
 * out_length; of one that does not fit, the lowest digits.
 */
extern void key_format_base62(const unsigned char *number, size_t number_length,
							  char *out, size_t out_length);

/* Prefix, four stars, last four; not terminated. */
extern void key_format_redacted(const KeyParts *parts, char out[KEY_REDACTED_LENGTH]);

/* Called now and then by what may take long; need not return. */
typedef void (*KeyFormatPause) (void);

/*
 * The next prefix at or after byte `from`, whatever follows it.  As below,
 * `pause` may be NULL, and is called at least once each KEY_FORMAT_PAUSE bytes.
 */
#define KEY_FORMAT_PAUSE		65536
extern bool key_format_next_prefix(const char *text, size_t length, size_t from,
								   KeyFormatPause pause, size_t *start);

/*
 * The next key at or after byte `from`: a prefix and the whole run of body
 * characters behind it, 20 to 50 of them, whatever its checksum.  Where another
 * key's prefix is glued to the run, the key ends before it.  Search on from the
 * span's end.
 */
extern bool key_format_find(const char *text, size_t length, size_t from, KeySpan *span);
extern bool key_format_find_in_long(const char *text, size_t length, size_t from,
									KeyFormatPause pause, KeySpan *span);

/*
 * Masks every key in text, and every longer run behind a key's prefix, since a
 * key may stand in it glued to something else.  `out` holds at least length
 * bytes and may be text itself; returns how many were written.
 */
extern size_t key_format_redact_text(const char *text, size_t length, char *out,
									 KeyFormatPause pause);

#endif							/* KEY_FORMAT_H */
