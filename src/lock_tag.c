/*
 * lock_tag.c
 *		Tags of locks that no SQL advisory call can take.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "miscadmin.h"

#include "crypto.h"
#include "lock_tag.h"

void
lock_tag_of_database(LOCKTAG *tag, LockPurpose purpose)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, 0, 0, purpose);
}

void
lock_tag_of_server(LOCKTAG *tag, LockPurpose purpose)
{
	SET_LOCKTAG_ADVISORY(*tag, InvalidOid, 0, 0, purpose);
}

/*
 * Everyone sees the tags of locks in pg_locks, and must not learn from them
 * which digests or ids are in use.  So the value is hashed together with a
 * random number of the server, which no SQL shows.
 */
void
lock_tag_of_value(LOCKTAG *tag, LockPurpose purpose, const void *value, size_t length)
{
	char	   *hashed = palloc(MOCK_AUTH_NONCE_LEN + length);
	uint8		digest[CRYPTO_DIGEST_LENGTH];
	uint32		high;
	uint32		low;

	memcpy(hashed, GetMockAuthenticationNonce(), MOCK_AUTH_NONCE_LEN);
	memcpy(hashed + MOCK_AUTH_NONCE_LEN, value, length);
	crypto_sha256(hashed, MOCK_AUTH_NONCE_LEN + length, digest);
	pfree(hashed);
	memcpy(&high, digest, sizeof(high));
	memcpy(&low, digest + sizeof(high), sizeof(low));
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, high, low, purpose);
}
