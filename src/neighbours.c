/*
 * neighbours.c
 *		Which master keys the other databases of the server may need.
 *
 * The first sealing, and each rotation, leaves a note of the key under which
 * all is sealed that is in its database; a copy of the database has it too, as
 * it has the seals.  Of a database without a note we look, in its files,
 * whether it has sealed secrets at all: if so, it may need every key.  That
 * works for templates and for databases that no one may connect to, which is
 * where CREATE DATABASE ... STRATEGY = wal_log reads too.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "common/relpath.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "storage/smgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/relmapper.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "neighbours.h"
#include "shared_notes.h"

#define NOTE_WORDS		(MASTER_KEY_FINGERPRINT_LENGTH / sizeof(uint32))
#define NAMES_SHOWN		10

typedef struct Neighbour
{
	Oid			oid;
	Oid			tablespace;
	NameData	name;
} Neighbour;

void
neighbours_tell(const MasterKey *key)
{
	uint32		words[NOTE_WORDS];

	memcpy(words, key->fingerprint, sizeof(words));
	shared_notes_delete(NOTE_ON_EXTENSION);
	shared_notes_write(NOTE_ON_EXTENSION, words, NOTE_WORDS, false);
}

static bool
told_by(Oid database, uint8 fingerprint[MASTER_KEY_FINGERPRINT_LENGTH])
{
	uint32		words[NOTE_WORDS] = {0};
	bool		told = shared_notes_read(NOTE_ON_EXTENSION, database, words, NOTE_WORDS);

	memcpy(fingerprint, words, sizeof(words));
	return told;
}

bool
neighbours_told(uint8 fingerprint[MASTER_KEY_FINGERPRINT_LENGTH])
{
	return told_by(MyDatabaseId, fingerprint);
}

bool
neighbours_would_err(const uint8 fingerprint[MASTER_KEY_FINGERPRINT_LENGTH])
{
	uint8		told[MASTER_KEY_FINGERPRINT_LENGTH];

	return neighbours_told(told) ?
		!crypto_equal(told, fingerprint, MASTER_KEY_FINGERPRINT_LENGTH) : !neighbours_know();
}

void
neighbours_take_back(const uint8 fingerprint[MASTER_KEY_FINGERPRINT_LENGTH])
{
	if (neighbours_would_err(fingerprint))
		shared_notes_spoil(NOTE_ON_EXTENSION);
}

bool
neighbours_know(void)
{
	return shared_notes_exist(NOTE_ON_EXTENSION, MyDatabaseId);
}

/* Anyone may have a table of this name. */
static bool
is_ours(Form_pg_class table, const char *name)
{
	return strcmp(NameStr(table->relname), name) == 0 &&
		table->relkind == RELKIND_RELATION && table->relpersistence == RELPERSISTENCE_PERMANENT &&
		superuser_arg(table->relowner);
}

/* Committed, or written by a transaction that may yet commit */
static bool
page_has_table(Buffer buffer, const char *name)
{
	Page		page = BufferGetPage(buffer);
	SnapshotData dirty;

	InitDirtySnapshot(dirty);
	for (OffsetNumber at = FirstOffsetNumber; at <= PageGetMaxOffsetNumber(page); at++)
	{
		ItemId		item = PageGetItemId(page, at);
		HeapTupleData tuple;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationRelationId;
		ItemPointerSet(&tuple.t_self, BufferGetBlockNumber(buffer), at);
		if (is_ours((Form_pg_class) GETSTRUCT(&tuple), name) &&
			HeapTupleSatisfiesVisibility(&tuple, &dirty, buffer))
			return true;
	}
	return false;
}

/* Under a lock on that database's pg_class */
static bool
database_has_table(const Neighbour *database, const char *name)
{
	char	   *path = GetDatabasePath(database->oid, database->tablespace);
	CompatLocator locator = compat_locator(database->tablespace, database->oid,
										   compat_mapped_file(path, RelationRelationId));
	SMgrRelation storage = compat_smgropen(locator);
	BlockNumber blocks = smgrnblocks(storage, MAIN_FORKNUM);
	bool		found = false;

	smgrclose(storage);
	for (BlockNumber block = 0; block < blocks && !found; block++)
	{
		Buffer		buffer;

		CHECK_FOR_INTERRUPTS();
		buffer = ReadBufferWithoutRelcache(locator, MAIN_FORKNUM, block, RBM_NORMAL, NULL, true);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		found = page_has_table(buffer, name);
		UnlockReleaseBuffer(buffer);
	}
	pfree(path);
	return found;
}

/*
 * Locks against DROP DATABASE and against rewriting its pg_class.  If a lock
 * is not available at once, the answer is that it may have some.
 */
static bool
may_have_sealed(const Neighbour *database)
{
	LOCKTAG		database_tag;
	LOCKTAG		class_tag;
	bool		may = true;

	SET_LOCKTAG_OBJECT(database_tag, InvalidOid, DatabaseRelationId, database->oid, 0);
	SET_LOCKTAG_RELATION(class_tag, database->oid, RelationRelationId);
	if (LockAcquire(&database_tag, AccessShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	if (LockAcquire(&class_tag, AccessShareLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
	{
		char	   *name = get_database_name(database->oid);

		may = name != NULL && database_has_table(database, "sealed_secrets");
		(void) LockRelease(&class_tag, AccessShareLock, false);
	}
	(void) LockRelease(&database_tag, AccessShareLock, false);
	return may;
}

/*
 * A database that a failed DROP left behind can only be dropped, so it does
 * not count.
 */
static List *
others(void)
{
	Relation	catalog = table_open(DatabaseRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	List	   *found = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_database row = (Form_pg_database) GETSTRUCT(tuple);
		Neighbour  *other;

		if (row->oid == MyDatabaseId || row->datconnlimit == COMPAT_DATABASE_IS_INVALID)
			continue;
		other = palloc(sizeof(Neighbour));
		other->oid = row->oid;
		other->tablespace = row->dattablespace;
		other->name = row->datname;
		found = lappend(found, other);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

bool
neighbours_have_sealed(void)
{
	ListCell   *cell;

	foreach(cell, others())
	{
		if (shared_notes_exist(NOTE_ON_EXTENSION, ((Neighbour *) lfirst(cell))->oid))
			return true;
	}
	return false;
}

static int
needed_by(const Neighbour *database, const MasterKeys *keys)
{
	uint8		fingerprint[MASTER_KEY_FINGERPRINT_LENGTH];

	if (!told_by(database->oid, fingerprint))
		return may_have_sealed(database) ? keys->count : 1;
	for (int i = 0; i < keys->count; i++)
	{
		if (crypto_equal(keys->keys[i].fingerprint, fingerprint, sizeof(fingerprint)))
			return i + 1;
	}
	return keys->count;
}

int
neighbours_need(const MasterKeys *keys, StringInfo names)
{
	int			most = 1;
	int			shown = 0;
	ListCell   *cell;

	foreach(cell, others())
	{
		const Neighbour *database = lfirst(cell);
		int			needed = needed_by(database, keys);

		most = Max(most, needed);
		if (needed == 1 || shown > NAMES_SHOWN)
			continue;
		if (shown++ == NAMES_SHOWN)
			appendStringInfoString(names, ", ...");
		else
			appendStringInfo(names, "%s\"%s\"", names->len == 0 ? "" : ", ",
							 NameStr(database->name));
	}
	return most;
}
