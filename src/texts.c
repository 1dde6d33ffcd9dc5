/*
 * texts.c
 *		Texts as they may be stored: in our encoding, without keys, not too long.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "apikey.h"
#include "compat.h"
#include "texts.h"

/*
 * Only so many bytes are masked.  The limit of the result is far smaller, so
 * that part of a key that is cut in two here does not get into it.
 */
#define MASKED_LENGTH	65536

text *
texts_cut(const char *value, size_t length, int limit)
{
	text	   *masked;
	int			kept;

	if (length > MASKED_LENGTH)
		length = pg_mbcliplen(value, (int) length, MASKED_LENGTH);
	masked = apikey_redact_text(cstring_to_text_with_len(value, (int) length));
	kept = pg_mbcharcliplen(VARDATA_ANY(masked), VARSIZE_ANY_EXHDR(masked), limit);
	return cstring_to_text_with_len(VARDATA_ANY(masked), kept);
}

const char *
texts_valid(const char *value)
{
	char	   *valid;

	if (pg_verifymbstr(value, strlen(value), true))
		return value;
	valid = pstrdup(value);
	for (char *at = valid; *at != '\0'; at++)
	{
		if (IS_HIGHBIT_SET(*at))
			*at = '?';
	}
	return valid;
}

const char *
texts_role_name(Oid role)
{
	return texts_valid(GetUserNameFromId(role, false));
}
