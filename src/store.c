/*
 * store.c
 *		Direct reads of our tables, each through one fresh snapshot.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "hints.h"
#include "store.h"

#define WORKSPACE_CACHE_SIZE	1024	/* a power of 2 */
#define RESTRICTION_HINTS		256		/* as many as a byte can tell apart */

typedef struct CachedWorkspace
{
	uint64		generation;
	Identifier	id;
	WorkspaceState state;
} CachedWorkspace;

/*
 * Workspace states change rarely and are asked at each verification.  A slot
 * is good while no row of workspaces has changed since it was read.  Who changes
 * one says so at once, and again with the commit; in between, the row's state is
 * not remembered.  So none is remembered when the change becomes visible, which
 * it does a moment before the commit's invalidations are sent.
 */
static CachedWorkspace workspace_cache[WORKSPACE_CACHE_SIZE];

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

static void
scan_identifier(StoreScan *scan, int column, Identifier *id)
{
	bool		null;

	identifier_copy(id, DatumGetTextPP(store_scan_value(scan, column, &null)));
}

static TimestampTz
time_or(Datum value, bool null, TimestampTz otherwise)
{
	return null ? otherwise : DatumGetTimestampTz(value);
}

/* Detoasts an external value here, where it is known which snapshot is needed. */
static Datum
plain_value(Datum value)
{
	return VARATT_IS_EXTERNAL(DatumGetPointer(value)) ? compat_detoast_now(value) : value;
}

/* Deforms only the columns that we need: the table may have more, and each costs. */
static void
read_key(const StoreReader *reader, TupleTableSlot *slot, KeyFacts *facts)
{
	const Datum *value = slot->tts_values - 1;	/* columns count from 1 */
	const bool *null = slot->tts_isnull - 1;

	slot_getsomeattrs(slot, KEYS_FACTS);
	identifier_copy(&facts->id, DatumGetTextPP(value[KEYS_ID]));
	identifier_copy(&facts->workspace_id, DatumGetTextPP(value[KEYS_WORKSPACE_ID]));
	facts->secret = *DatumGetApiKeyP(value[KEYS_SECRET]);
	facts->kind_oid = DatumGetObjectId(value[KEYS_KIND]);
	facts->mode_oid = DatumGetObjectId(value[KEYS_MODE]);
	facts->disabled = DatumGetBool(value[KEYS_DISABLED]);
	facts->permissions_restricted = DatumGetBool(value[KEYS_PERMISSIONS_RESTRICTED]);
	facts->networks_restricted = DatumGetBool(value[KEYS_NETWORKS_RESTRICTED]);
	facts->not_before = time_or(value[KEYS_NOT_BEFORE], null[KEYS_NOT_BEFORE], DT_NOBEGIN);
	facts->expires_at = time_or(value[KEYS_EXPIRES_AT], null[KEYS_EXPIRES_AT], DT_NOEND);
	facts->revoked = !null[KEYS_REVOKED_AT];
	facts->compromised = !null[KEYS_COMPROMISED_AT];
	facts->has_parent = !null[KEYS_PARENT_SECRET];
	if (facts->has_parent)
		facts->parent = *DatumGetApiKeyP(value[KEYS_PARENT_SECRET]);
	facts->meta = 0;
	if (reader->with_meta)
	{
		bool		no_meta;
		Datum		meta = slot_getattr(slot, KEYS_META, &no_meta);

		if (!no_meta)
			facts->meta = datumCopy(plain_value(meta), false, -1);
	}
}

/*
 * A slot for rows of keys that no scan found.  It is kept, since making one
 * costs more than reading a row.
 */
static TupleTableSlot *
slot_of_keys(Relation keys)
{
	static TupleTableSlot *slot = NULL;
	static uint64 described_at;

	if (slot == NULL || unlikely(described_at != catalog_current()))
	{
		TupleTableSlot *old = slot;
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		slot = NULL;
		if (old != NULL)
		{
			TupleDesc	descriptor = old->tts_tupleDescriptor;

			ExecDropSingleTupleTableSlot(old);
			FreeTupleDesc(descriptor);
		}
		described_at = catalog_current();
		slot = MakeSingleTupleTableSlot(CreateTupleDescCopyConstr(RelationGetDescr(keys)),
										&TTSOpsHeapTuple);
		MemoryContextSwitchTo(caller);
	}
	return slot;
}

/* A hash index compares hashes only. */
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

/* For some keys, where the row was that last allowed them something */
static RowHint restriction_hints[STORE_RESTRICTIONS][RESTRICTION_HINTS];

static RowHint *
restriction_hint(StoreRestriction which, const ApiKey *secret)
{
	return &restriction_hints[which][secret->digest[0] % RESTRICTION_HINTS];
}

/* False where the buffer has another page by now */
static bool
pin_hinted(Relation table, const RowHint *hint)
{
	return ReadRecentBuffer(compat_relation_locator(table), MAIN_FORKNUM,
							ItemPointerGetBlockNumber(&hint->tid), hint->buffer);
}

/* A row of a pinned page.  The pin keeps it where it is. */
static bool
read_pinned(Relation table, const RowHint *at, Snapshot snapshot, HeapTuple tuple)
{
	ItemPointerData tid = at->tid;
	bool		found;

	LockBuffer(at->buffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(&tid, table, at->buffer, snapshot, tuple, NULL, true);
	LockBuffer(at->buffer, BUFFER_LOCK_UNLOCK);
	return found;
}

/*
 * Releases the pin.  Values stored out of line can be read only while the
 * table is locked, since a concurrent rewrite may drop its TOAST table.
 */
static bool
read_pinned_key(StoreReader *reader, Relation keys, bool locked, RowHint *at,
				const ApiKey *secret, KeyFacts *facts)
{
	HeapTupleData tuple;
	bool		found = read_pinned(keys, at, reader->snapshot, &tuple) &&
		(locked || !HeapTupleHasExternal(&tuple));

	if (found)
	{
		TupleTableSlot *slot = slot_of_keys(keys);

		at->offset = (uint16) ((char *) tuple.t_data - (char *) BufferGetPage(at->buffer));
		ExecStoreHeapTuple(&tuple, slot, false);
		read_key(reader, slot, facts);
		ExecClearTuple(slot);
		found = crypto_equal(secret, &facts->secret, sizeof(ApiKey));
	}
	ReleaseBuffer(at->buffer);
	return found;
}

static bool
key_by_hint(StoreReader *reader, const ApiKey *secret, KeyFacts *facts)
{
	RowHint		row;
	Relation	keys;
	bool		found;

	if (!hints_find(secret, &row))
		return false;
	keys = store_peek_table(CATALOG_KEYS);
	if (keys == NULL)
		return false;
	found = pin_hinted(keys, &row) &&
		read_pinned_key(reader, keys, false, &row, secret, facts);
	RelationClose(keys);
	return found;
}

static bool
key_by_index(StoreReader *reader, const ApiKey *secret, KeyFacts *facts)
{
	Relation	keys = store_open_table(reader, CATALOG_KEYS);
	Relation	index;
	IndexScanDesc scan;
	ScanKeyData key;
	ItemPointer tid;
	bool		found = false;

	if (keys == NULL)
		return false;
	index = index_open(catalog_relation(CATALOG_KEYS_BY_SECRET), AccessShareLock);
	scan = compat_index_beginscan(keys, index, reader->snapshot, 1);
	store_scan_key(&key, index, 1, ApiKeyPGetDatum(secret));
	index_rescan(scan, &key, 1, NULL, 0);
	while (!found && (tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		RowHint		row = {.tid = *tid,.buffer = ReadBuffer(keys, ItemPointerGetBlockNumber(tid))};

		found = read_pinned_key(reader, keys, true, &row, secret, facts);
		if (found)
			hints_remember(secret, &row);
	}
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(keys, NoLock);
	return found;
}

/* Without the snapshot's predicate locks; see the head of store_reader.c */
static bool
key_by_scan(StoreReader *reader, const ApiKey *secret, KeyFacts *facts)
{
	StoreScan	scan;
	bool		found;

	if (!store_scan_begin_at_once(&scan, reader, CATALOG_KEYS, CATALOG_KEYS_BY_SECRET, ApiKeyPGetDatum(secret)))
		return false;
	found = next_with_secret(&scan, KEYS_SECRET, secret);
	if (found)
		read_key(reader, scan.slot, facts);
	store_scan_end(&scan);
	return found;
}

bool
store_key_by_secret(StoreReader *reader, const ApiKey *secret, KeyFacts *facts)
{
	if (IsolationIsSerializable())
		return key_by_scan(reader, secret, facts);
	return key_by_hint(reader, secret, facts) || key_by_index(reader, secret, facts);
}

bool
store_key_by_id(StoreReader *reader, const text *id, KeyFacts *facts)
{
	StoreScan	scan;
	bool		found;

	if (!store_scan_begin_at_once(&scan, reader, CATALOG_KEYS, CATALOG_KEYS_BY_ID, PointerGetDatum(id)))
		return false;
	found = store_scan_next(&scan);
	if (found)
		read_key(reader, scan.slot, facts);
	store_scan_end(&scan);
	return found;
}

bool
store_read_key(const text *id, KeyFacts *facts)
{
	StoreReader reader;
	bool		found;

	store_reader_begin(&reader);
	found = store_key_by_id(&reader, id, facts);
	store_reader_end(&reader);
	return found;
}

bool
store_key_is_imported(const text *id)
{
	StoreReader reader;
	StoreScan	scan;
	bool		imported = false;
	bool		null;

	store_reader_begin(&reader);
	store_scan_begin(&scan, &reader, CATALOG_KEYS, CATALOG_KEYS_BY_ID,
					 AccessShareLock, PointerGetDatum(id));
	if (store_scan_next(&scan))
		imported = DatumGetBool(store_scan_value(&scan, KEYS_IMPORTED, &null));
	store_scan_end(&scan);
	store_reader_end(&reader);
	return imported;
}

bool
store_key_in_workspace(StoreReader *reader, const text *workspace, const text *id, KeyFacts *facts)
{
	StoreScan	scan;
	bool		found;

	store_scan_pair_begin(&scan, reader, CATALOG_KEYS, CATALOG_KEYS_BY_WORKSPACE, AccessShareLock,
						  PointerGetDatum(workspace), PointerGetDatum(id));
	found = store_scan_next(&scan);
	if (found)
		read_key(reader, scan.slot, facts);
	store_scan_end(&scan);
	return found;
}

bool
store_retired(StoreReader *reader, const ApiKey *secret, RetiredFacts *facts)
{
	StoreScan	scan;
	bool		found;

	if (!store_scan_begin_at_once(&scan, reader, CATALOG_RETIRED_SECRETS, CATALOG_RETIRED_SECRETS_BY_SECRET,
					ApiKeyPGetDatum(secret)))
		return false;
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

static List *
add_secret(StoreScan *scan, int column, List *secrets)
{
	ApiKey	   *secret = palloc(sizeof(ApiKey));
	bool		null;

	*secret = *DatumGetApiKeyP(store_scan_value(scan, column, &null));
	return lappend(secrets, secret);
}

List *
store_secrets(StoreReader *reader, const text *key_id)
{
	StoreScan	scan;
	List	   *secrets = NIL;

	store_scan_begin(&scan, reader, CATALOG_KEYS, CATALOG_KEYS_BY_ID,
					 AccessShareLock, PointerGetDatum(key_id));
	while (store_scan_next(&scan))
		secrets = add_secret(&scan, KEYS_SECRET, secrets);
	store_scan_end(&scan);

	store_scan_begin(&scan, reader, CATALOG_RETIRED_SECRETS, CATALOG_RETIRED_SECRETS_BY_KEY,
					 AccessShareLock, PointerGetDatum(key_id));
	while (store_scan_next(&scan))
		secrets = add_secret(&scan, RETIRED_SECRET, secrets);
	store_scan_end(&scan);

	store_scan_begin(&scan, reader, CATALOG_KEYS, CATALOG_KEYS_BY_PARENT,
					 AccessShareLock, PointerGetDatum(key_id));
	while (store_scan_next(&scan))
		secrets = add_secret(&scan, KEYS_SECRET, secrets);
	store_scan_end(&scan);
	return secrets;
}

static const struct
{
	CatalogRelation table;
	CatalogRelation index;
}			restriction_relations[STORE_RESTRICTIONS] = {
	[STORE_PERMISSIONS] = {CATALOG_KEY_PERMISSIONS, CATALOG_KEY_PERMISSIONS_BY_KEY},
	[STORE_NETWORKS] = {CATALOG_KEY_NETWORKS, CATALOG_KEY_NETWORKS_BY_KEY},
	[STORE_OBJECTS] = {CATALOG_KEY_OBJECTS, CATALOG_KEY_OBJECTS_BY_KEY},
};

static bool
begin_restriction_scan(StoreScan *scan, StoreReader *reader, StoreRestriction which,
					   const text *key_id)
{
	return store_scan_begin_at_once(scan, reader, restriction_relations[which].table,
					  restriction_relations[which].index, PointerGetDatum(key_id));
}

static Datum
restriction_value(StoreScan *scan)
{
	bool		null;

	return plain_value(store_scan_value(scan, RESTRICTION_VALUE, &null));
}

List *
store_restrictions(StoreReader *reader, StoreRestriction which, const text *key_id)
{
	StoreScan	scan;
	List	   *values = NIL;

	if (!begin_restriction_scan(&scan, reader, which, key_id))
		return NIL;
	while (store_scan_next(&scan))
		values = lappend(values, PG_DETOAST_DATUM_COPY(restriction_value(&scan)));
	store_scan_end(&scan);
	return values;
}

/* Looks at the row that last fitted this key.  If it does not fit, another one may. */
static bool
hinted_restriction_fits(StoreReader *reader, StoreRestriction which, const KeyFacts *facts,
						StoreFits fits, const void *asked)
{
	const RowHint *hint = restriction_hint(which, &facts->secret);
	Relation	table;
	HeapTupleData tuple;
	TupleDesc	descriptor;
	bool		null;
	bool		found = false;

	if (!BufferIsValid(hint->buffer))
		return false;
	table = store_peek_table(restriction_relations[which].table);
	if (table == NULL)
		return false;
	descriptor = RelationGetDescr(table);
	if (pin_hinted(table, hint))
	{
		found = read_pinned(table, hint, reader->snapshot, &tuple) &&
			!HeapTupleHasExternal(&tuple) &&
			identifier_equals(&facts->id, DatumGetTextPP(heap_getattr(&tuple, RESTRICTION_KEY_ID,
																	  descriptor, &null))) &&
			fits(heap_getattr(&tuple, RESTRICTION_VALUE, descriptor, &null), asked);
		ReleaseBuffer(hint->buffer);
	}
	RelationClose(table);
	return found;
}

static void
remember_restriction(StoreScan *scan, StoreRestriction which, const KeyFacts *facts)
{
	*restriction_hint(which, &facts->secret) = (RowHint) {
		.tid = scan->slot->tts_tid,
		.buffer = ((BufferHeapTupleTableSlot *) scan->slot)->buffer
	};
}

bool
store_restriction_fits(StoreReader *reader, StoreRestriction which, const KeyFacts *facts,
					   StoreFits fits, const void *asked)
{
	StoreScan	scan;
	text	   *key_id;
	bool		found = false;

	/* A SERIALIZABLE transaction reads by scans only; see the head of store_reader.c. */
	if (!IsolationIsSerializable() &&
		hinted_restriction_fits(reader, which, facts, fits, asked))
		return true;

	key_id = cstring_to_text(facts->id.text);
	if (!begin_restriction_scan(&scan, reader, which, key_id))
		return false;
	while (!found && store_scan_next(&scan))
		found = fits(restriction_value(&scan), asked);
	if (found)
		remember_restriction(&scan, which, facts);
	store_scan_end(&scan);
	pfree(key_id);
	return found;
}

/*
 * False for a row of this transaction, which may yet be rolled back, and for
 * one that someone has changed and may be committing.
 */
static bool
is_settled(StoreScan *scan)
{
	uint16		infomask;

	(void) store_scan_xmax(scan, &infomask);
	return ((infomask & HEAP_XMAX_INVALID) != 0 || HEAP_XMAX_IS_LOCKED_ONLY(infomask)) &&
		!TransactionIdIsCurrentTransactionId(store_scan_xmin(scan));
}

bool
store_workspace(StoreReader *reader, const text *id, WorkspaceFacts *facts)
{
	StoreScan	scan;
	bool		found;
	bool		null;

	facts->state = WORKSPACE_CLOSED;
	facts->approved = false;
	facts->settled = false;
	if (!store_scan_begin_at_once(&scan, reader, CATALOG_WORKSPACES, CATALOG_WORKSPACES_BY_ID,
								  PointerGetDatum(id)))
		return false;
	found = store_scan_next(&scan);
	if (found)
	{
		facts->state = catalog_workspace_state(DatumGetObjectId(store_scan_value(&scan, WORKSPACES_STATE, &null)));
		facts->approved = !scan_is_null(&scan, WORKSPACES_APPROVED_AT);
		facts->settled = is_settled(&scan);
	}
	store_scan_end(&scan);
	return found;
}

bool
store_read_workspace(const text *id, WorkspaceFacts *facts)
{
	StoreReader reader;
	bool		found;

	store_reader_begin(&reader);
	found = store_workspace(&reader, id, facts);
	store_reader_end(&reader);
	return found;
}

bool
store_workspace_state(StoreReader *reader, const Identifier *id, WorkspaceState *state)
{
	size_t		length = strlen(id->text);
	uint32		slot = hash_bytes((const unsigned char *) id->text, length) &
		(WORKSPACE_CACHE_SIZE - 1);
	CachedWorkspace *cached = &workspace_cache[slot];
	WorkspaceFacts facts;
	text	   *value;
	bool		found;

	if (cached->generation == reader->generation && strcmp(cached->id.text, id->text) == 0)
	{
		*state = cached->state;
		return true;
	}

	value = cstring_to_text_with_len(id->text, length);
	found = store_workspace(reader, value, &facts);
	pfree(value);
	*state = facts.state;

	/* The generation is from before the snapshot was taken. */
	if (found && facts.settled)
	{
		cached->generation = reader->generation;
		cached->id = *id;
		cached->state = facts.state;
	}
	return found;
}

/*
 * With SnapshotAny, which also sees what is not committed yet, and takes no
 * predicate lock.
 */
int64
store_last_event(void)
{
	StoreScan	scan;
	int64		last = 0;
	bool		null;

	store_scan_open(&scan, SnapshotAny, CATALOG_EVENTS, CATALOG_EVENTS_BY_ID, RowExclusiveLock, 0, NULL);
	if (index_getnext_slot(scan.scan, BackwardScanDirection, scan.slot))
		last = DatumGetInt64(store_scan_value(&scan, EVENTS_ID, &null));
	store_scan_end(&scan);
	return last;
}
