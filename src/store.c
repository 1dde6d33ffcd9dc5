/*
 * store.c
 *		Direct reads of our tables, each through one fresh snapshot.
 *
 * The only room that opens scans; calls catalog and apikey.
 *
 * A reader takes a snapshot of its own, since the transaction's goes stale
 * under REPEATABLE READ.  In a SERIALIZABLE transaction an ordinary scan would
 * enter what it read into conflict detection, and fail a transaction because a
 * key was rolled beside it.  There the index is read with SnapshotAny, which
 * takes no predicate locks, and the fresh snapshot is applied to each row here.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "store.h"

#define WORKSPACE_CACHE_SIZE	1024	/* a power of 2 */

typedef struct CachedWorkspace
{
	uint64		generation;
	Identifier	id;
	WorkspaceState state;
} CachedWorkspace;

/*
 * Workspace states change rarely and are asked at each verification.  A slot
 * is good while no row of workspaces has changed since it was read.
 */
static CachedWorkspace workspace_cache[WORKSPACE_CACHE_SIZE];

extern Datum apikey_eq(PG_FUNCTION_ARGS);

void
store_reader_begin(StoreReader *reader)
{
	reader->generation = catalog_generation();
	reader->snapshot = RegisterSnapshot(GetLatestSnapshot());
}

void
store_reader_end(StoreReader *reader)
{
	UnregisterSnapshot(reader->snapshot);
}

/* Index columns are apikeys or texts under collation "C". */
static void
init_scan_key(ScanKey key, Relation index, Datum value)
{
	bool		is_text = index->rd_opcintype[0] == TEXTOID;

	memset(key, 0, sizeof(ScanKeyData));
	key->sk_attno = 1;
	key->sk_strategy = index->rd_rel->relam == HASH_AM_OID ?
		HTEqualStrategyNumber : BTEqualStrategyNumber;
	key->sk_argument = value;
	if (is_text)
	{
		key->sk_collation = C_COLLATION_OID;
		fmgr_info(F_TEXTEQ, &key->sk_func);
	}
	else
	{
		/* Our own function needs no catalog look-up. */
		key->sk_func.fn_addr = apikey_eq;
		key->sk_func.fn_nargs = 2;
		key->sk_func.fn_strict = true;
		key->sk_func.fn_mcxt = CurrentMemoryContext;
	}
}

/*
 * Without a value, all rows.  Locks are kept to the end of the transaction, so
 * a loop takes them once.
 */
static void
open_scan(StoreScan *scan, Snapshot snapshot, CatalogRelation table,
		  CatalogRelation index, LOCKMODE lock, const Datum *value)
{
	int			keys = value == NULL ? 0 : 1;
	ScanKeyData key;

	scan->table = table_open(catalog_relation(table), lock);
	/* REINDEX CONCURRENTLY exchanges indexes, but not under our lock. */
	scan->index = index_open(catalog_relation(index), AccessShareLock);
	scan->slot = table_slot_create(scan->table, NULL);
	if (value != NULL)
		init_scan_key(&key, scan->index, *value);
	scan->scan = compat_index_beginscan(scan->table, scan->index, snapshot, keys);
	index_rescan(scan->scan, value == NULL ? NULL : &key, keys, NULL, 0);
}

static void
open_reader_scan(StoreScan *scan, StoreReader *reader, CatalogRelation table,
				 CatalogRelation index, LOCKMODE lock, const Datum *value)
{
	scan->filter = IsolationIsSerializable() ? reader->snapshot : NULL;
	open_scan(scan, scan->filter ? SnapshotAny : reader->snapshot,
			  table, index, lock, value);
}

void
store_scan_begin(StoreScan *scan, StoreReader *reader, CatalogRelation table,
				 CatalogRelation index, LOCKMODE lock, Datum value)
{
	open_reader_scan(scan, reader, table, index, lock, &value);
}

void
store_scan_all_begin(StoreScan *scan, StoreReader *reader, CatalogRelation table,
					 CatalogRelation index, LOCKMODE lock)
{
	open_reader_scan(scan, reader, table, index, lock, NULL);
}

bool
store_scan_next(StoreScan *scan)
{
	while (index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot))
	{
		if (scan->filter == NULL ||
			table_tuple_satisfies_snapshot(scan->table, scan->slot, scan->filter))
			return true;
	}
	return false;
}

Datum
store_scan_value(StoreScan *scan, int column, bool *null)
{
	return slot_getattr(scan->slot, column, null);
}

void
store_scan_end(StoreScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->table, NoLock);
}

static TimestampTz
scan_timestamp(StoreScan *scan, int column, TimestampTz otherwise)
{
	bool		null;
	Datum		value = store_scan_value(scan, column, &null);

	return null ? otherwise : DatumGetTimestampTz(value);
}

static bool
scan_is_null(StoreScan *scan, int column)
{
	bool		null;

	(void) store_scan_value(scan, column, &null);
	return null;
}

static bool
scan_boolean(StoreScan *scan, int column)
{
	bool		null;

	return DatumGetBool(store_scan_value(scan, column, &null));
}

static void
scan_identifier(StoreScan *scan, int column, Identifier *id)
{
	bool		null;

	identifier_copy(id, DatumGetTextPP(store_scan_value(scan, column, &null)));
}

static void
read_key(StoreScan *scan, KeyFacts *facts)
{
	bool		null;
	Datum		meta;

	scan_identifier(scan, KEYS_ID, &facts->id);
	scan_identifier(scan, KEYS_WORKSPACE_ID, &facts->workspace_id);
	facts->secret = *DatumGetApiKeyP(store_scan_value(scan, KEYS_SECRET, &null));
	facts->kind_oid = DatumGetObjectId(store_scan_value(scan, KEYS_KIND, &null));
	facts->mode_oid = DatumGetObjectId(store_scan_value(scan, KEYS_MODE, &null));
	facts->disabled = scan_boolean(scan, KEYS_DISABLED);
	facts->permissions_restricted = scan_boolean(scan, KEYS_PERMISSIONS_RESTRICTED);
	facts->networks_restricted = scan_boolean(scan, KEYS_NETWORKS_RESTRICTED);
	facts->not_before = scan_timestamp(scan, KEYS_NOT_BEFORE, DT_NOBEGIN);
	facts->expires_at = scan_timestamp(scan, KEYS_EXPIRES_AT, DT_NOEND);
	facts->revoked = !scan_is_null(scan, KEYS_REVOKED_AT);
	facts->compromised = !scan_is_null(scan, KEYS_COMPROMISED_AT);
	meta = store_scan_value(scan, KEYS_META, &null);
	facts->meta = null ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(meta));
	facts->imported = scan_boolean(scan, KEYS_IMPORTED);
}

/* A hash index knows the hash only. */
static bool
next_with_secret(StoreScan *scan, int column, const ApiKey *secret)
{
	bool		null;

	while (store_scan_next(scan))
	{
		if (crypto_equal(secret, DatumGetApiKeyP(store_scan_value(scan, column, &null)),
						 sizeof(ApiKey)))
			return true;
	}
	return false;
}

bool
store_key_by_secret(StoreReader *reader, const ApiKey *secret, KeyFacts *facts)
{
	StoreScan	scan;
	bool		found;

	store_scan_begin(&scan, reader, CATALOG_KEYS, CATALOG_KEYS_BY_SECRET,
					 AccessShareLock, ApiKeyPGetDatum(secret));
	found = next_with_secret(&scan, KEYS_SECRET, secret);
	if (found)
		read_key(&scan, facts);
	store_scan_end(&scan);
	return found;
}

bool
store_key_by_id(StoreReader *reader, const text *id, KeyFacts *facts)
{
	StoreScan	scan;
	bool		found;

	store_scan_begin(&scan, reader, CATALOG_KEYS, CATALOG_KEYS_BY_ID,
					 AccessShareLock, PointerGetDatum(id));
	found = store_scan_next(&scan);
	if (found)
		read_key(&scan, facts);
	store_scan_end(&scan);
	return found;
}

bool
store_retired(StoreReader *reader, const ApiKey *secret, RetiredFacts *facts)
{
	StoreScan	scan;
	bool		found;

	store_scan_begin(&scan, reader, CATALOG_RETIRED_SECRETS, CATALOG_RETIRED_SECRETS_BY_SECRET,
					 AccessShareLock, ApiKeyPGetDatum(secret));
	found = next_with_secret(&scan, RETIRED_SECRET, secret);
	if (found)
	{
		scan_identifier(&scan, RETIRED_KEY_ID, &facts->key_id);
		facts->valid_until = scan_timestamp(&scan, RETIRED_VALID_UNTIL, DT_NOBEGIN);
		facts->compromised_at = scan_timestamp(&scan, RETIRED_COMPROMISED_AT, DT_NOEND);
	}
	store_scan_end(&scan);
	return found;
}

List *
store_restrictions(StoreReader *reader, StoreRestriction which, const text *key_id)
{
	static const struct
	{
		CatalogRelation table;
		CatalogRelation index;
	}			relations[] = {
		[STORE_PERMISSIONS] = {CATALOG_KEY_PERMISSIONS, CATALOG_KEY_PERMISSIONS_BY_KEY},
		[STORE_NETWORKS] = {CATALOG_KEY_NETWORKS, CATALOG_KEY_NETWORKS_BY_KEY},
		[STORE_OBJECTS] = {CATALOG_KEY_OBJECTS, CATALOG_KEY_OBJECTS_BY_KEY},
	};
	StoreScan	scan;
	List	   *values = NIL;
	bool		null;

	store_scan_begin(&scan, reader, relations[which].table, relations[which].index,
					 AccessShareLock, PointerGetDatum(key_id));
	while (store_scan_next(&scan))
	{
		Datum		value = store_scan_value(&scan, RESTRICTION_VALUE, &null);

		values = lappend(values, PG_DETOAST_DATUM_COPY(value));
	}
	store_scan_end(&scan);
	return values;
}

bool
store_workspace_state(StoreReader *reader, const Identifier *id, WorkspaceState *state)
{
	size_t		length = strlen(id->text);
	uint32		slot = hash_bytes((const unsigned char *) id->text, length) &
		(WORKSPACE_CACHE_SIZE - 1);
	CachedWorkspace *cached = &workspace_cache[slot];
	StoreScan	scan;
	text	   *value;
	bool		found;
	bool		null;

	if (cached->generation == reader->generation && strcmp(cached->id.text, id->text) == 0)
	{
		*state = cached->state;
		return true;
	}

	value = cstring_to_text_with_len(id->text, length);
	store_scan_begin(&scan, reader, CATALOG_WORKSPACES, CATALOG_WORKSPACES_BY_ID,
					 AccessShareLock, PointerGetDatum(value));
	found = store_scan_next(&scan);
	if (found)
		*state = catalog_workspace_state(DatumGetObjectId(store_scan_value(&scan, WORKSPACES_STATE, &null)));
	store_scan_end(&scan);
	pfree(value);

	/* The generation is that from before the snapshot was taken. */
	if (found)
	{
		cached->generation = reader->generation;
		cached->id = *id;
		cached->state = *state;
	}
	return found;
}

bool
store_workspace_was_approved(StoreReader *reader, const text *id, bool *exists)
{
	StoreScan	scan;
	bool		approved = false;

	store_scan_begin(&scan, reader, CATALOG_WORKSPACES, CATALOG_WORKSPACES_BY_ID,
					 AccessShareLock, PointerGetDatum(id));
	*exists = store_scan_next(&scan);
	if (*exists)
		approved = !scan_is_null(&scan, WORKSPACES_APPROVED_AT);
	store_scan_end(&scan);
	return approved;
}

/* By the digest alone, whatever the marks beside it: that of a key is its own. */
static bool
digest_is_taken(CatalogRelation table, CatalogRelation index, int column,
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
		open_scan(&scan, &dirty, table, index, AccessShareLock, &value);
		while (!taken && index_getnext_slot(scan.scan, ForwardScanDirection, scan.slot))
		{
			ApiKey	   *found = DatumGetApiKeyP(store_scan_value(&scan, column, &null));

			if (!crypto_equal(found->digest, secret->digest, CRYPTO_DIGEST_LENGTH) ||
				(except != NULL && ItemPointerEquals(&scan.slot->tts_tid, unconstify(ItemPointerData *, except))))
				continue;
			taken = true;
			wait_for = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
		}
		if (TransactionIdIsValid(wait_for))
			XactLockTableWait(wait_for, scan.table, &scan.slot->tts_tid,
							  XLTW_RecheckExclusionConstr);
		store_scan_end(&scan);
	} while (TransactionIdIsValid(wait_for));
	return taken;
}

bool
store_digest_is_in_keys(const ApiKey *secret, const ItemPointerData *except)
{
	return digest_is_taken(CATALOG_KEYS, CATALOG_KEYS_BY_SECRET, KEYS_SECRET, secret, except);
}

bool
store_digest_is_retired(const ApiKey *secret, const ItemPointerData *except)
{
	return digest_is_taken(CATALOG_RETIRED_SECRETS, CATALOG_RETIRED_SECRETS_BY_SECRET,
						   RETIRED_SECRET, secret, except);
}
