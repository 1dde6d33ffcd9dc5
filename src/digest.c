/*
 * digest.c
 *		Whether a digest is taken: by a key, or by a secret that a key had before.
 *
 * No digest ever belongs to two keys, current or retired.  A digest moves from
 * keys to retired_secrets only, so whoever looks there in this order, waiting
 * for what is in progress, misses none; and each table is looked at again by
 * who has just inserted into the other one.
 */
#include "postgres.h"

#include "access/genam.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"

#include "digest.h"
#include "store.h"

/*
 * Only the digests are compared: kind, mode and last four follow from the key
 * that was hashed.
 */
static bool
is_taken(CatalogRelation table, CatalogRelation index, int column,
		 const ApiKey *secret, const ItemPointerData *except)
{
	StoreScan	scan;
	SnapshotData dirty;
	Datum		value = ApiKeyPGetDatum(secret);
	TransactionId wait_for;
	bool		taken;
	bool		null;

	InitDirtySnapshot(dirty);
	do
	{
		wait_for = InvalidTransactionId;
		taken = false;
		store_scan_open(&scan, &dirty, table, index, AccessShareLock, 1, &value);
		while (!taken && index_getnext_slot(scan.scan, ForwardScanDirection, scan.slot))
		{
			ApiKey	   *found = DatumGetApiKeyP(store_scan_value(&scan, column, &null));

			if (!crypto_equal(found->digest, secret->digest, CRYPTO_DIGEST_LENGTH) ||
				(except != NULL && ItemPointerEquals(&scan.slot->tts_tid, unconstify(ItemPointerData *, except))))
				continue;
			taken = true;
			wait_for = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
		}
		store_scan_end(&scan);
		if (TransactionIdIsValid(wait_for))
			XactLockTableWait(wait_for, NULL, NULL, XLTW_None);
	} while (TransactionIdIsValid(wait_for));
	return taken;
}

bool
digest_is_in_keys(const ApiKey *secret, const ItemPointerData *except)
{
	return is_taken(CATALOG_KEYS, CATALOG_KEYS_BY_SECRET, KEYS_SECRET, secret, except);
}

bool
digest_is_retired(const ApiKey *secret, const ItemPointerData *except)
{
	return is_taken(CATALOG_RETIRED_SECRETS, CATALOG_RETIRED_SECRETS_BY_SECRET,
					RETIRED_SECRET, secret, except);
}
