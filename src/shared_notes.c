/*
 * shared_notes.c
 *		A few bytes about a database, which are not in the database's own data.
 *
 * Notes are rows of the shared catalog pg_shdepend, of a type of dependency
 * that the server does not use and so does not look at; a word each, in
 * refobjid, numbered from 1 by objsubid.  They are in no dump, physical
 * standbys have them, and the server itself deletes them: with a database go
 * the rows that depend on it and those of what is in it, and with an extension
 * the rows that depend on it.  CREATE DATABASE ... TEMPLATE copies the rows of
 * what is in a database, and no others.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_shdepend.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "shared_notes.h"

#define NOTE_TYPE	'f'

/* Whatever the extension's own OID is in a database, it has one. */
static SysScanDesc
begin_scan(Relation catalog, NoteKind kind, Oid database)
{
	bool		shared = kind == NOTE_ON_DATABASE;
	ScanKeyData keys[3];

	ScanKeyInit(&keys[0], Anum_pg_shdepend_dbid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(shared ? InvalidOid : database));
	ScanKeyInit(&keys[1], Anum_pg_shdepend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(shared ? DatabaseRelationId : ExtensionRelationId));
	ScanKeyInit(&keys[2], Anum_pg_shdepend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(database));
	return systable_beginscan(catalog, SharedDependDependerIndexId, true, NULL,
							  shared ? 3 : 2, keys);
}

static HeapTuple
next_word(SysScanDesc scan)
{
	HeapTuple	tuple;

	do
		tuple = systable_getnext(scan);
	while (HeapTupleIsValid(tuple) &&
		   ((Form_pg_shdepend) GETSTRUCT(tuple))->deptype != NOTE_TYPE);
	return tuple;
}

bool
shared_notes_read(NoteKind kind, Oid database, uint32 *words, int count)
{
	Relation	catalog = table_open(SharedDependRelationId, AccessShareLock);
	SysScanDesc scan = begin_scan(catalog, kind, database);
	HeapTuple	tuple;
	int			found = 0;

	while (HeapTupleIsValid(tuple = next_word(scan)))
	{
		Form_pg_shdepend row = (Form_pg_shdepend) GETSTRUCT(tuple);

		if (row->objsubid >= 1 && row->objsubid <= count)
			words[row->objsubid - 1] = row->refobjid;
		found++;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found == count;
}

bool
shared_notes_exist(NoteKind kind, Oid database)
{
	Relation	catalog = table_open(SharedDependRelationId, AccessShareLock);
	SysScanDesc scan = begin_scan(catalog, kind, database);
	bool		exist = HeapTupleIsValid(next_word(scan));

	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return exist;
}

/*
 * Like CatalogTupleInsert(), but frozen: visible at once, and not undone by
 * ROLLBACK.
 */
static void
insert_frozen(Relation catalog, HeapTuple tuple, const Datum *values)
{
	CatalogIndexState indexes = CatalogOpenIndexes(catalog);

	heap_insert(catalog, tuple, GetCurrentCommandId(true), HEAP_INSERT_FROZEN, NULL);
	for (int i = 0; i < indexes->ri_NumIndices; i++)
	{
		IndexInfo  *index = indexes->ri_IndexRelationInfo[i];
		Datum		indexed[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS] = {0};

		for (int column = 0; column < index->ii_NumIndexAttrs; column++)
			indexed[column] = values[index->ii_IndexAttrNumbers[column] - 1];
		index_insert(indexes->ri_IndexRelationDescs[i], indexed, nulls, &tuple->t_self,
					 catalog, UNIQUE_CHECK_NO, false, index);
	}
	CatalogCloseIndexes(indexes);
}

static void
insert_word(Relation catalog, NoteKind kind, int number, uint32 word, bool lasting)
{
	bool		shared = kind == NOTE_ON_DATABASE;
	Datum		values[Natts_pg_shdepend];
	bool		nulls[Natts_pg_shdepend] = {0};
	HeapTuple	tuple;

	values[Anum_pg_shdepend_dbid - 1] = ObjectIdGetDatum(shared ? InvalidOid : MyDatabaseId);
	values[Anum_pg_shdepend_classid - 1] = ObjectIdGetDatum(shared ? DatabaseRelationId :
															ExtensionRelationId);
	values[Anum_pg_shdepend_objid - 1] = ObjectIdGetDatum(shared ? MyDatabaseId :
														  get_extension_oid("falukeys", false));
	values[Anum_pg_shdepend_objsubid - 1] = Int32GetDatum(number);
	values[Anum_pg_shdepend_refclassid - 1] = ObjectIdGetDatum(ExtensionRelationId);
	values[Anum_pg_shdepend_refobjid - 1] = ObjectIdGetDatum(word);
	values[Anum_pg_shdepend_deptype - 1] = CharGetDatum(NOTE_TYPE);

	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	if (lasting)
		insert_frozen(catalog, tuple, values);
	else
		CatalogTupleInsert(catalog, tuple);
	heap_freetuple(tuple);
}

void
shared_notes_write(NoteKind kind, const uint32 *words, int count, bool lasting)
{
	Relation	catalog = table_open(SharedDependRelationId, RowExclusiveLock);

	for (int i = 0; i < count; i++)
		insert_word(catalog, kind, i + 1, words[i], lasting);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

/* One word too many */
void
shared_notes_spoil(NoteKind kind)
{
	Relation	catalog = table_open(SharedDependRelationId, RowExclusiveLock);

	insert_word(catalog, kind, 0, 0, true);
	table_close(catalog, RowExclusiveLock);
}

void
shared_notes_delete(NoteKind kind)
{
	Relation	catalog = table_open(SharedDependRelationId, RowExclusiveLock);
	SysScanDesc scan = begin_scan(catalog, kind, MyDatabaseId);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = next_word(scan)))
		CatalogTupleDelete(catalog, &tuple->t_self);
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}
