/*
 * mode_settings.c
 *		In what the two modes differ, as the running query sees it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "mode_settings.h"

/* Was a row written after another one? guards.c has the same in SQL. */
static bool
is_later(TupleTableSlot *slot, TransactionId than, ItemPointer than_tid)
{
	bool		null;
	TransactionId xmin = DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &null));

	if (xmin == than)
		return ItemPointerCompare(&slot->tts_tid, than_tid) > 0;
	return !TransactionIdIsValid(than) || TransactionIdFollows(xmin, than);
}

/*
 * There are only two rows, so no index is needed.  A restore with disabled
 * triggers may have left an older row of the mode beside the restored one.
 */
Datum
mode_settings_of(Oid mode)
{
	Relation	table = table_open(catalog_relation(CATALOG_MODE_SETTINGS), AccessShareLock);
	TableScanDesc scan = table_beginscan(table, GetActiveSnapshot(), 0, NULL);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TransactionId xmin = InvalidTransactionId;
	ItemPointerData tid;
	Datum		settings = 0;
	bool		null;

	ItemPointerSetInvalid(&tid);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		if (DatumGetObjectId(slot_getattr(slot, 1, &null)) != mode || !is_later(slot, xmin, &tid))
			continue;
		/* The stored tuple may lack a column that was added later. */
		slot_getallattrs(slot);
		settings = HeapTupleGetDatum(heap_form_tuple(slot->tts_tupleDescriptor,
													 slot->tts_values, slot->tts_isnull));
		xmin = DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &null));
		tid = slot->tts_tid;
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	table_close(table, NoLock);
	return settings;
}
