/*
 * binding.c
 *		What tells this database from every other, and from its own copies.
 *
 * System identifier and OID are not enough, since a database can be restored
 * over itself, or be made from a copy under the old OID.  So each has a random
 * token beside them, as a note that neither a dump nor a copy carries along.
 * CREATE EXTENSION, and so a restore, makes another one; a copy has none until
 * it needs one.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "binding.h"
#include "crypto.h"
#include "lock_tag.h"
#include "shared_notes.h"

#define TOKEN_WORDS			4

/* What is hashed.  It has no padding. */
typedef struct Identity
{
	uint32		system[2];
	uint32		database;
	uint32		token[TOKEN_WORDS];
} Identity;

PG_FUNCTION_INFO_V1(binding_renew);

bool
binding_here(Binding *binding)
{
	uint64		system = GetSystemIdentifier();
	Identity	identity = {{(uint32) (system >> 32), (uint32) system}, MyDatabaseId};
	uint8		digest[CRYPTO_DIGEST_LENGTH];

	memset(binding, 0, sizeof(Binding));
	if (!shared_notes_read(NOTE_ON_DATABASE, MyDatabaseId, identity.token, TOKEN_WORDS))
		return false;
	crypto_sha256(&identity, sizeof(identity), digest);
	memcpy(binding->digest, digest, sizeof(binding->digest));
	return true;
}

static void
write_token(bool lasting)
{
	uint32		token[TOKEN_WORDS];

	crypto_random(token, sizeof(token));
	shared_notes_delete(NOTE_ON_DATABASE);
	shared_notes_write(NOTE_ON_DATABASE, token, TOKEN_WORDS, lasting);
}

void
binding_make_here(Binding *binding)
{
	LOCKTAG		tag;

	if (binding_here(binding))
		return;

	/* Two sessions at the same time make only one. */
	lock_tag_of_database(&tag, LOCK_BINDING);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	if (!binding_here(binding))
	{
		write_token(true);
		if (!binding_here(binding))
			elog(ERROR, "could not read the token of this database");
	}
	(void) LockRelease(&tag, ExclusiveLock, false);
}

/*
 * Called once, by the install script.  Whatever was sealed before is not bound
 * to this database.
 */
Datum
binding_renew(PG_FUNCTION_ARGS)
{
	write_token(false);
	PG_RETURN_VOID();
}
