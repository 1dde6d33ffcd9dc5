/*
 * store_reader.h
 *		Snapshots, locks and scans for direct reads of our tables.
 */
#ifndef FALUKEYS_STORE_READER_H
#define FALUKEYS_STORE_READER_H

#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "catalog.h"

#define STORE_MAX_LOCKS		32

/* All reads between begin and end see the same: what was committed at begin. */
typedef struct StoreReader
{
	Snapshot	snapshot;
	uint64		generation;		/* of the catalog, before the snapshot */
	bool		missing;		/* a table was not to be had */
	bool		with_meta;		/* keys are to be handed out with their meta */
	int			locks;			/* taken for what was read */
	Oid			locked[STORE_MAX_LOCKS];
} StoreReader;

/* A scan of the rows whose first index columns equal one or two values */
typedef struct StoreScan
{
	Relation	table;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	Snapshot	filter;			/* to be applied by us, or NULL */
} StoreScan;

/*
 * Locks all tables that are read here, and then takes the snapshot: so none of
 * them was rewritten since, and what is in the new one is seen.
 */
extern void store_reader_begin(StoreReader *reader);

/*
 * Verification locks only what it comes to read, as it comes to it, and finds
 * nothing in a table that others have locked.  So at its end it asks whether it
 * missed one, or one was changed meanwhile; if so, it reads once more, with
 * everything locked first.  Where the tables are gone, nothing is found.
 */
extern void store_reader_begin_brief(StoreReader *reader, bool with_meta);
extern bool store_reader_is_outdated(const StoreReader *reader);
extern void store_reader_begin_anew(StoreReader *reader);

extern void store_reader_end(StoreReader *reader);

/*
 * Functions that write lock the tables first: to read by an index before, and
 * then ask for a stronger lock, would deadlock with REINDEX.
 */
extern void store_lock_for_writing(void);

/* The same, by a function of the caller's that takes ROW EXCLUSIVE on a table */
typedef void (*StoreLock) (Oid table, void *context);
extern void store_lock_for_writing_by(StoreLock lock, void *context);

extern void store_scan_begin(StoreScan *scan, StoreReader *reader, CatalogRelation table,
							 CatalogRelation index, LOCKMODE lock, Datum value);
extern void store_scan_pair_begin(StoreScan *scan, StoreReader *reader, CatalogRelation table,
								  CatalogRelation index, LOCKMODE lock, Datum first, Datum second);
extern void store_scan_all_begin(StoreScan *scan, StoreReader *reader, CatalogRelation table,
								 CatalogRelation index, LOCKMODE lock);
extern bool store_scan_next(StoreScan *scan);
extern Datum store_scan_value(StoreScan *scan, int column, bool *null);

/* xmax of the current row of the scan, with the infomask that says what it means */
extern TransactionId store_scan_xmax(StoreScan *scan, uint16 *infomask);
extern TransactionId store_scan_xmin(StoreScan *scan);
extern void store_scan_end(StoreScan *scan);

/*
 * Within a store_reader_begin_brief: false, or NULL, where the table is not to be
 * had without waiting.
 */
extern bool store_scan_begin_at_once(StoreScan *scan, StoreReader *reader, CatalogRelation table,
									 CatalogRelation index, Datum value);
extern Relation store_open_table(StoreReader *reader, CatalogRelation which);

/*
 * The table without a lock, to read a page that is in memory already; to be
 * closed with RelationClose.  NULL where it may have changed since it was last
 * opened under a lock: to learn how it is now, the server reads its catalogs,
 * and fails where others change them meanwhile.  Rewrites that ended before the
 * reader began are known here: whoever changes a rewritten row waits for the
 * lock of the rewriter, whose invalidation is sent before it is released.  A
 * rewrite that ends later leaves the old pages as they are, and the snapshot
 * still decides what is visible in them.
 */
extern Relation store_peek_table(CatalogRelation which);

/* With a snapshot of the caller's, by the first columns of the index; without values, all rows */
extern void store_scan_open(StoreScan *scan, Snapshot snapshot, CatalogRelation table,
							CatalogRelation index, LOCKMODE lock, int count, const Datum *values);

/* A column of an index, counted from 1, is the value: an apikey, an OID, or a text under collation "C". */
extern void store_scan_key(ScanKey key, Relation index, int column, Datum value);

#endif							/* FALUKEYS_STORE_READER_H */
