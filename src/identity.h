/*
 * identity.h
 *		The key that the running transaction acts for.
 */
#ifndef FALUKEYS_IDENTITY_H
#define FALUKEYS_IDENTITY_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/array.h"

#include "store.h"
#include "verdict.h"

/* A key as it was when it was authenticated */
typedef struct Identity
{
	struct Identity *before;	/* which a savepoint's rollback brings back */
	int			nest_level;
	bool		none;			/* deauthenticated */
	TimestampTz only_statement;	/* start of the statement that it ends with; 0: it lasts */
	ApiKey		secret;			/* as presented; during a grace, not the key's current one */
	KeyFacts	facts;
	text	   *key_id;
	List	   *permissions;	/* of text, where it is restricted to them */
	List	   *networks;		/* of inet, likewise */
	ArrayType  *objects;		/* of text, for a temporary key */
} Identity;

/* NULL without one */
extern const Identity *identity_current(void);

/*
 * Verifies a key.  If the verdict is valid, the key becomes the identity; if
 * not, there is none.
 */
extern void identity_take(Datum key, bool null, const VerdictRequest *request, Verdict *verdict);

extern bool identity_allows(const Identity *identity, const text *permission);

#endif							/* FALUKEYS_IDENTITY_H */
