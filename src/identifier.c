/*
 * identifier.c
 *		Ids of workspaces and keys: a prefix and a KSUID.
 *
 * A KSUID is a 32-bit time in seconds and 128 random bits, in base62, so that
 * ids sort by creation time.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "crypto.h"
#include "identifier.h"
#include "key_format.h"

#define KSUID_EPOCH		INT64CONST(1400000000)
#define KSUID_BYTES		20
#define KSUID_LENGTH	27

text *
identifier_generate(const char *prefix)
{
	uint8		ksuid[KSUID_BYTES];
	char		id[IDENTIFIER_MAX_LENGTH + 1];
	size_t		prefix_length = strlen(prefix);
	/* By the clock of created_at: time(NULL) may be a tick behind it. */
	uint32		seconds = (uint32) (timestamptz_to_time_t(GetCurrentTimestamp()) - KSUID_EPOCH);

	for (int i = 0; i < 4; i++)
		ksuid[i] = (uint8) (seconds >> (24 - 8 * i));
	crypto_random(ksuid + 4, KSUID_BYTES - 4);

	memcpy(id, prefix, prefix_length);
	key_format_base62(ksuid, KSUID_BYTES, id + prefix_length, KSUID_LENGTH);
	return cstring_to_text_with_len(id, prefix_length + KSUID_LENGTH);
}

bool
identifier_is_valid(const char *prefix, const text *id)
{
	const char *characters = VARDATA_ANY(id);
	size_t		prefix_length = strlen(prefix);

	if (VARSIZE_ANY_EXHDR(id) != prefix_length + KSUID_LENGTH ||
		memcmp(characters, prefix, prefix_length) != 0)
		return false;
	for (size_t i = prefix_length; i < prefix_length + KSUID_LENGTH; i++)
	{
		if (!key_format_is_base62(characters[i]))
			return false;
	}
	return true;
}

/* Stored ids have passed identifier_is_valid. */
void
identifier_copy(Identifier *to, const text *id)
{
	size_t		length = Min(VARSIZE_ANY_EXHDR(id), IDENTIFIER_MAX_LENGTH);

	memcpy(to->text, VARDATA_ANY(id), length);
	to->text[length] = '\0';
}

bool
identifier_equals(const Identifier *id, const text *other)
{
	size_t		length = strlen(id->text);

	return VARSIZE_ANY_EXHDR(other) == length && memcmp(VARDATA_ANY(other), id->text, length) == 0;
}
