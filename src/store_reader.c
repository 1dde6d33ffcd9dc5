/*
 * store_reader.c
 *		Snapshots, locks and scans for direct reads of our tables.
 *
 * A reader takes a snapshot of its own, since the transaction's goes stale
 * under REPEATABLE READ.  In a SERIALIZABLE transaction an ordinary scan would
 * enter what it read into conflict detection, and fail a transaction because a
 * key was rolled beside it.  There the index is read with SnapshotAny, which
 * takes no predicate locks, and the fresh snapshot is applied to each row here.
 *
 * Verification gives its locks on tables back, so that it neither holds up who
 * alters them nor deadlocks with him, wherever it is called; others keep theirs
 * to the end of the transaction, as statements do.  Locks on indexes end with
 * their scan: REINDEX, which has the table locked already, waits for them.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "store_reader.h"
#include "subscription.h"

#define SCAN_COLUMNS	2			/* at most, that a scan looks for */

extern Datum apikey_eq(PG_FUNCTION_ARGS);

/* Always locked in this order, as DROP EXTENSION does */
static const CatalogRelation tables[] = {
	CATALOG_WORKSPACES,
	CATALOG_MEMBERS,
	CATALOG_KEYS,
	CATALOG_RETIRED_SECRETS,
	CATALOG_KEY_PERMISSIONS,
	CATALOG_KEY_NETWORKS,
	CATALOG_KEY_OBJECTS,
	CATALOG_SEALED_SECRETS,
	CATALOG_HEARTBEAT,
};

/* The catalog's generation when a table was last opened under a lock */
static uint64 opened_at[CATALOG_RELATIONS];

/*
 * False where the table is gone.  After waiting for the lock, its name may
 * belong to another table.
 */
static bool
lock_table(CatalogRelation which)
{
	for (;;)
	{
		Oid			table = catalog_find_relation(which);

		if (!OidIsValid(table))
			return false;
		LockRelationOid(table, AccessShareLock);
		if (catalog_find_relation(which) == table)
			return true;
		UnlockRelationOid(table, AccessShareLock);
	}
}

static void
note_lock(StoreReader *reader, Oid table)
{
	if (reader->locks < STORE_MAX_LOCKS)
		reader->locked[reader->locks++] = table;
}

/*
 * Without waiting: a table that someone changes is read once all are locked.
 * To wait here, holding what was locked before, could be a deadlock.
 */
static bool
lock_at_once(StoreReader *reader, CatalogRelation which)
{
	Oid			table;

	/* Once one is missing, everything will be read anew. */
	if (reader->missing)
		return false;
	table = catalog_find_relation(which);
	reader->missing = !OidIsValid(table) ||
		!ConditionalLockRelationOid(table, AccessShareLock);
	if (reader->missing)
		return false;
	note_lock(reader, table);
	reader->missing = catalog_find_relation(which) != table;
	return !reader->missing;
}

static bool
lock_tables(StoreReader *reader)
{
	for (int i = 0; i < lengthof(tables); i++)
	{
		if (!lock_table(tables[i]))
			return false;
		note_lock(reader, catalog_find_relation(tables[i]));
	}
	return true;
}

static void
give_locks_back(StoreReader *reader)
{
	for (int i = 0; i < reader->locks; i++)
		UnlockRelationOid(reader->locked[i], AccessShareLock);
	reader->locks = 0;
}

/*
 * Waits for each table with no other one locked, since whoever has it may be
 * about to lock the others.  False where one is gone.
 */
static bool
lock_tables_apart(StoreReader *reader)
{
	CatalogRelation awaited = tables[0];

	for (;;)
	{
		int			i = 0;

		if (!lock_table(awaited))
			return false;
		note_lock(reader, catalog_find_relation(awaited));
		reader->missing = false;
		while (i < lengthof(tables) && lock_at_once(reader, tables[i]))
			i++;
		if (i == lengthof(tables))
			return true;
		give_locks_back(reader);
		awaited = tables[i];
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Registered, so that it counts as the oldest snapshot, and is released after
 * an error.
 */
static void
take_snapshot(StoreReader *reader)
{
	reader->generation = catalog_generation();
	reader->missing = false;
	reader->snapshot = RegisterSnapshot(GetLatestSnapshot());
}

void
store_reader_begin(StoreReader *reader)
{
	reader->locks = 0;
	if (!lock_tables(reader))
		(void) catalog_relation(CATALOG_KEYS);
	/* Kept to the end of the transaction, as those of any statement */
	reader->locks = 0;
	reader->with_meta = false;
	take_snapshot(reader);
}

void
store_reader_begin_brief(StoreReader *reader, bool with_meta)
{
	reader->with_meta = with_meta;
	reader->locks = 0;
	take_snapshot(reader);
}

bool
store_reader_is_outdated(const StoreReader *reader)
{
	return reader->missing || reader->generation != catalog_current();
}

void
store_reader_begin_anew(StoreReader *reader)
{
	UnregisterSnapshot(reader->snapshot);
	give_locks_back(reader);
	(void) lock_tables_apart(reader);
	take_snapshot(reader);
}

void
store_reader_end(StoreReader *reader)
{
	UnregisterSnapshot(reader->snapshot);
	give_locks_back(reader);
}

/*
 * Standbys cannot take such locks, and read-only transactions will be refused
 * later. sealed_secrets is left to the vault, since locking it holds up a
 * rotation of the master key, and heartbeat to those who write it.
 */
void
store_lock_for_writing_by(StoreLock lock, void *context)
{
	subscription_refuse_changes();
	if (XactReadOnly || RecoveryInProgress())
		return;
	for (int i = 0; i < lengthof(tables); i++)
	{
		if (tables[i] != CATALOG_SEALED_SECRETS && tables[i] != CATALOG_HEARTBEAT)
			lock(catalog_relation(tables[i]), context);
	}
	lock(catalog_relation(CATALOG_EVENTS), context);
}

static void
lock_row_exclusive(Oid table, void *context)
{
	LockRelationOid(table, RowExclusiveLock);
}

void
store_lock_for_writing(void)
{
	store_lock_for_writing_by(lock_row_exclusive, NULL);
}

/* Index columns are apikeys, OIDs, or texts under collation "C". */
void
store_scan_key(ScanKey key, Relation index, int column, Datum value)
{
	Oid			type = index->rd_opcintype[column - 1];

	memset(key, 0, sizeof(ScanKeyData));
	key->sk_attno = column;
	key->sk_strategy = index->rd_rel->relam == HASH_AM_OID ?
		HTEqualStrategyNumber : BTEqualStrategyNumber;
	key->sk_argument = value;
	if (type == TEXTOID)
	{
		key->sk_collation = C_COLLATION_OID;
		fmgr_info(F_TEXTEQ, &key->sk_func);
	}
	else if (type == OIDOID)
		fmgr_info(F_OIDEQ, &key->sk_func);
	else
	{
		/* Our own function needs no catalog look-up. */
		key->sk_func.fn_addr = apikey_eq;
		key->sk_func.fn_nargs = 2;
		key->sk_func.fn_strict = true;
		key->sk_func.fn_mcxt = CurrentMemoryContext;
	}
}

/* The lock is taken here, or held already with NoLock. */
static Relation
open_table(CatalogRelation which, LOCKMODE lock)
{
	Relation	table = table_open(catalog_relation(which), lock);

	opened_at[which] = catalog_current();
	return table;
}

/* By the first columns of the index; without values, all rows */
void
store_scan_open(StoreScan *scan, Snapshot snapshot, CatalogRelation table,
		  CatalogRelation index, LOCKMODE lock, int count, const Datum *values)
{
	ScanKeyData keys[SCAN_COLUMNS];

	Assert(count <= SCAN_COLUMNS);
	scan->table = open_table(table, lock);
	/* REINDEX CONCURRENTLY exchanges indexes, but not under our lock. */
	scan->index = index_open(catalog_relation(index), AccessShareLock);
	scan->slot = table_slot_create(scan->table, NULL);
	for (int i = 0; i < count; i++)
		store_scan_key(&keys[i], scan->index, i + 1, values[i]);
	scan->scan = compat_index_beginscan(scan->table, scan->index, snapshot, count);
	index_rescan(scan->scan, keys, count, NULL, 0);
}

static void
open_reader_scan(StoreScan *scan, StoreReader *reader, CatalogRelation table,
				 CatalogRelation index, LOCKMODE lock, int count, const Datum *values)
{
	scan->filter = IsolationIsSerializable() ? reader->snapshot : NULL;
	store_scan_open(scan, scan->filter ? SnapshotAny : reader->snapshot,
			  table, index, lock, count, values);
}

/* For verification: NULL where the table is not to be had */
Relation
store_open_table(StoreReader *reader, CatalogRelation which)
{
	return lock_at_once(reader, which) ? open_table(which, NoLock) : NULL;
}

Relation
store_peek_table(CatalogRelation which)
{
	Oid			table = catalog_find_relation(which);

	if (!OidIsValid(table) || opened_at[which] != catalog_current())
		return NULL;
	return RelationIdGetRelation(table);
}

/* For verification: false where the table is not to be had */
bool
store_scan_begin_at_once(StoreScan *scan, StoreReader *reader, CatalogRelation table,
						 CatalogRelation index, Datum value)
{
	if (!lock_at_once(reader, table))
		return false;
	open_reader_scan(scan, reader, table, index, NoLock, 1, &value);
	return true;
}

void
store_scan_begin(StoreScan *scan, StoreReader *reader, CatalogRelation table,
				 CatalogRelation index, LOCKMODE lock, Datum value)
{
	open_reader_scan(scan, reader, table, index, lock, 1, &value);
}

void
store_scan_pair_begin(StoreScan *scan, StoreReader *reader, CatalogRelation table,
					  CatalogRelation index, LOCKMODE lock, Datum first, Datum second)
{
	Datum		values[] = {first, second};

	open_reader_scan(scan, reader, table, index, lock, lengthof(values), values);
}

void
store_scan_all_begin(StoreScan *scan, StoreReader *reader, CatalogRelation table,
					 CatalogRelation index, LOCKMODE lock)
{
	open_reader_scan(scan, reader, table, index, lock, 0, NULL);
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

TransactionId
store_scan_xmax(StoreScan *scan, uint16 *infomask)
{
	BufferHeapTupleTableSlot *slot = (BufferHeapTupleTableSlot *) scan->slot;
	TransactionId xmax;

	/* Locking a row changes both. */
	Assert(TTS_IS_BUFFERTUPLE(scan->slot));
	LockBuffer(slot->buffer, BUFFER_LOCK_SHARE);
	xmax = HeapTupleHeaderGetRawXmax(slot->base.tuple->t_data);
	*infomask = slot->base.tuple->t_data->t_infomask;
	LockBuffer(slot->buffer, BUFFER_LOCK_UNLOCK);
	return xmax;
}

TransactionId
store_scan_xmin(StoreScan *scan)
{
	BufferHeapTupleTableSlot *slot = (BufferHeapTupleTableSlot *) scan->slot;

	Assert(TTS_IS_BUFFERTUPLE(scan->slot));
	return HeapTupleHeaderGetXmin(slot->base.tuple->t_data);
}

void
store_scan_end(StoreScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, AccessShareLock);
	table_close(scan->table, NoLock);
}
