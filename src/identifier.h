/*
 * identifier.h
 *		Ids of workspaces and keys: a prefix and a KSUID.
 */
#ifndef FALUKEYS_IDENTIFIER_H
#define FALUKEYS_IDENTIFIER_H

#include "postgres.h"

#define IDENTIFIER_WORKSPACE	"wksp_"
#define IDENTIFIER_KEY			"key_"
#define IDENTIFIER_MAX_LENGTH	(5 + 27)

/* Large enough for any id, terminated */
typedef struct Identifier
{
	char		text[IDENTIFIER_MAX_LENGTH + 1];
} Identifier;

extern text *identifier_generate(const char *prefix);
extern bool identifier_is_valid(const char *prefix, const text *id);
extern void identifier_copy(Identifier *to, const text *id);
extern bool identifier_equals(const Identifier *id, const text *other);

#endif							/* FALUKEYS_IDENTIFIER_H */
