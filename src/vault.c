/*
 * vault.c
 *		Sealed secrets, and their one-time opening.
 *
 * A transaction that reveals a live secret may roll back after its client has
 * seen the plaintext.  So the mark is no part of the transaction: under the
 * buffer's exclusive lock, the only row that a secret ever has is changed where
 * it stands, through WAL of its own, which is flushed, and acknowledged by the
 * synchronous standbys, before the plaintext leaves this room.
 *
 * Whoever seals or reveals holds ROW EXCLUSIVE on sealed_secrets from before it
 * reads the master key, and a rotation excludes them.  Rotations exclude each
 * other in all databases of the server, from before they read it too.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walsender_private.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "binding.h"
#include "compat.h"
#include "master_key.h"
#include "neighbours.h"
#include "seal.h"
#include "spi_owner.h"
#include "standby.h"
#include "store.h"
#include "texts.h"
#include "vault.h"

/* A row whose buffer is locked; the pointers point into the page. */
typedef struct SealedRow
{
	Buffer		buffer;
	Seal	   *seal;
	TimestampTz *revealed_at;
	NameData   *revealed_by;
	char	   *saved_in;
	Identifier	key_id;
	ApiKey		secret;
} SealedRow;

bool
vault_seal_is_valid(const bytea *value)
{
	const Seal *seal = (const Seal *) VARDATA_ANY(value);

	return VARSIZE_ANY_EXHDR(value) == sizeof(Seal) &&
		seal->version == SEAL_VERSION &&
		(seal->state == SEAL_CLOSED || seal->state == SEAL_SPENT);
}

void
vault_seal_arrives(const bytea *value)
{
	const Seal *seal = (const Seal *) VARDATA_ANY(value);

	if (seal->state != SEAL_CLOSED || !neighbours_would_err(seal->fingerprint))
		return;
	/* It was sealed elsewhere.  No rotation may overlook it before it is committed. */
	master_key_lock(ShareLock);
	neighbours_take_back(seal->fingerprint);
}

/* Locks the current row of a scan, which its slot keeps pinned. */
static void
lock_row(StoreScan *scan, SealedRow *row, int mode)
{
	bool		null;
	Datum		seal;

	row->buffer = ((BufferHeapTupleTableSlot *) scan->slot)->buffer;
	LockBuffer(row->buffer, mode);

	identifier_copy(&row->key_id, DatumGetTextPP(store_scan_value(scan, SEALED_KEY_ID, &null)));
	row->secret = *DatumGetApiKeyP(store_scan_value(scan, SEALED_SECRET, &null));
	seal = store_scan_value(scan, SEALED_SEAL, &null);
	row->seal = (Seal *) VARDATA_ANY(DatumGetPointer(seal));
	row->revealed_by = DatumGetName(store_scan_value(scan, SEALED_REVEALED_BY, &null));
	row->saved_in = VARDATA_ANY(DatumGetPointer(store_scan_value(scan, SEALED_FIRST_SAVED_IN, &null)));
	/* The timestamp is passed by value; in the tuple it stands right before the name. */
	row->revealed_at = (TimestampTz *) ((char *) row->revealed_by - sizeof(TimestampTz));

	if (!vault_seal_is_valid((bytea *) DatumGetPointer(seal)) ||
		VARSIZE_ANY_EXHDR(DatumGetPointer(store_scan_value(scan, SEALED_FIRST_SAVED_IN, &null))) != VAULT_SAVED_IN_LENGTH)
	{
		LockBuffer(row->buffer, BUFFER_LOCK_UNLOCK);
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the sealed secret of key \"%s\" is damaged", row->key_id.text)));
	}
}

static void
unlock_row(SealedRow *row)
{
	LockBuffer(row->buffer, BUFFER_LOCK_UNLOCK);
}

/* Where a field of the row stands in a copy of its page */
static void *
field_in(Page copy, const SealedRow *row, const void *field)
{
	return (char *) copy + ((const char *) field - (const char *) BufferGetPage(row->buffer));
}

/* Exchanges the seal in place; with revealed_by, it is marked as revealed too. */
static XLogRecPtr
write_row(StoreScan *scan, SealedRow *row, const Seal *seal,
		  const NameData *revealed_by, const char *saved_in)
{
	GenericXLogState *state = GenericXLogStart(scan->table);
	Page		copy = GenericXLogRegisterBuffer(state, row->buffer, 0);

	memcpy(field_in(copy, row, row->seal), seal, sizeof(Seal));
	if (revealed_by != NULL)
	{
		TimestampTz now = GetCurrentTimestamp();

		memcpy(field_in(copy, row, row->revealed_at), &now, sizeof(now));
		memcpy(field_in(copy, row, row->revealed_by), revealed_by, sizeof(NameData));
		memcpy(field_in(copy, row, row->saved_in), saved_in, VAULT_SAVED_IN_LENGTH);
	}
	return GenericXLogFinish(state);
}

/*
 * Returns when the WAL up to here is on disk, and synchronous standbys have it
 * too, whatever synchronous_commit says.  A wait that was cut short is an error:
 * a standby promoted now could reveal the secret again.
 */
static void
make_durable(XLogRecPtr lsn)
{
	int			nest_level;
	bool		acknowledged;

	if (XLogRecPtrIsInvalid(lsn))
		return;
	XLogFlush(lsn);

	nest_level = NewGUCNestLevel();
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(lsn, false);
	RESUME_INTERRUPTS();

	LWLockAcquire(SyncRepLock, LW_SHARED);
	acknowledged = !standby_is_awaited() ||
		lsn <= WalSndCtl->lsn[SYNC_REP_WAIT_FLUSH];
	LWLockRelease(SyncRepLock);
	AtEOXact_GUC(false, nest_level);

	if (!acknowledged)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("the wait for a synchronous standby ended before the reveal was acknowledged"),
				 errdetail("The secret counts as revealed and is not shown."),
				 errhint("Roll the key or create another one.")));
}

static bool
scan_is_spent(StoreScan *scan)
{
	SealedRow	row;
	bool		spent;

	lock_row(scan, &row, BUFFER_LOCK_SHARE);
	spent = row.seal->state == SEAL_SPENT;
	unlock_row(&row);
	return spent;
}

static void
load_master_keys(MasterKeys *keys)
{
	if (!master_key_load(keys))
		master_key_report_missing();
}

/* A question about a locked row */
typedef bool (*RowTest) (const SealedRow *row, const MasterKeys *keys);

static bool
any_row(LOCKMODE lock, RowTest test, const MasterKeys *keys)
{
	StoreReader reader;
	StoreScan	scan;
	bool		found = false;

	store_reader_begin(&reader);
	store_scan_all_begin(&scan, &reader, CATALOG_SEALED_SECRETS,
						 CATALOG_SEALED_SECRETS_BY_SECRET, lock);
	while (!found && store_scan_next(&scan))
	{
		SealedRow	row;

		CHECK_FOR_INTERRUPTS();
		lock_row(&scan, &row, BUFFER_LOCK_SHARE);
		found = test(&row, keys);
		unlock_row(&row);
	}
	store_scan_end(&scan);
	store_reader_end(&reader);
	return found;
}

static bool
is_not_spent(const SealedRow *row, const MasterKeys *keys)
{
	return row->seal->state != SEAL_SPENT;
}

bool
vault_anything_is_sealed(void)
{
	return any_row(RowExclusiveLock, is_not_spent, NULL);
}

static bool
is_behind(const SealedRow *row, const MasterKeys *keys)
{
	char		plaintext[KEY_GENERATED_LENGTH];
	bool		behind;

	behind = memcmp(row->seal->fingerprint, keys->keys[0].fingerprint,
					MASTER_KEY_FINGERPRINT_LENGTH) != 0 &&
		seal_open(row->seal, keys, &row->secret, row->key_id.text, plaintext) == OPEN_DONE;
	crypto_cleanse(plaintext, sizeof(plaintext));
	return behind;
}

bool
vault_anything_is_behind(const MasterKeys *keys)
{
	return any_row(ShareRowExclusiveLock, is_behind, keys);
}

void
vault_master_keys(MasterKeys *keys)
{
	if (master_key_load(keys))
		return;
	if (vault_anything_is_sealed() || neighbours_have_sealed())
		master_key_report_missing();
	master_key_create();
	load_master_keys(keys);
}

static void
insert_row(const text *key_id, const ApiKey *secret, const Seal *seal,
		   TimestampTz revealed_at, const char *revealed_by)
{
	bytea	   *value = palloc(VARHDRSZ + sizeof(Seal));
	NameData	name;

	SET_VARSIZE(value, VARHDRSZ + sizeof(Seal));
	memcpy(VARDATA(value), seal, sizeof(Seal));
	namestrcpy(&name, revealed_by);
	SPI_OWNER_RUN("INSERT INTO falukeys.sealed_secrets (secret, key_id, seal, revealed_at, revealed_by)"
				  " VALUES ($1, $2, $3, $4, $5)",
				  parameter_of("apikey", ApiKeyPGetDatum(secret), false),
				  parameter_text(key_id),
				  (Parameter) {BYTEAOID, PointerGetDatum(value), false},
				  parameter_timestamp(revealed_at),
				  (Parameter) {NAMEOID, NameGetDatum(&name), false});
}

void
vault_seal(const text *key_id, const PlainKey *key)
{
	MasterKeys	keys;
	Binding		binding = {0};
	Seal		seal;

	table_close(table_open(catalog_relation(CATALOG_SEALED_SECRETS), RowExclusiveLock), NoLock);
	vault_master_keys(&keys);
	if (key->handle.mode == 'l')
		binding_make_here(&binding);
	if (!neighbours_know() && !vault_anything_is_sealed())
		neighbours_tell(&keys.keys[0]);
	neighbours_take_back(keys.keys[0].fingerprint);
	seal_close(&seal, &keys.keys[0], &key->handle, text_to_cstring(key_id), &binding, key->text);
	master_key_cleanse(&keys);
	insert_row(key_id, &key->handle, &seal, DT_NOEND, "");
}

/*
 * For a live secret that is shown when it is made: that is its one reveal, and
 * there is nothing to open.
 */
void
vault_record_revealed(const text *key_id, const ApiKey *secret)
{
	Seal		seal = {.version = SEAL_VERSION,.state = SEAL_SPENT};

	insert_row(key_id, secret, &seal, GetCurrentTimestamp(),
			   texts_role_name(spi_owner_actor()));
}

static bool
find_row(StoreScan *scan, StoreReader *reader, const ApiKey *secret, LOCKMODE lock)
{
	store_scan_begin(scan, reader, CATALOG_SEALED_SECRETS, CATALOG_SEALED_SECRETS_BY_SECRET,
					 lock, ApiKeyPGetDatum(secret));
	return store_scan_next(scan);
}

static void
report_not_opened(OpenResult result, const char *key_id)
{
	switch (result)
	{
		case OPEN_SPENT:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the secret of key \"%s\" has been revealed", key_id),
					 errdetail("A live secret is shown once."),
					 errhint("Roll the key or create another one.")));
			break;
		case OPEN_ELSEWHERE:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the secret of key \"%s\" was sealed in another database", key_id),
					 errdetail("Or in this one, before it was restored or replaced by a copy. It may have been revealed since."),
					 errhint("Roll the key; or, if what it was sealed in is gone and did not reveal it, a superuser can call falukeys.adopt_sealed_secrets().")));
			break;
		case OPEN_UNKNOWN_MASTER_KEY:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the secret of key \"%s\" is sealed under another master key", key_id),
					 errhint("Put that master key back, or roll the key.")));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the sealed secret of key \"%s\" does not open", key_id),
					 errdetail("It is not what was sealed for this key."),
					 errhint("Roll the key.")));
	}
}

/* Fixed length, filled up with spaces, since the row is changed in place */
static void
fill_saved_in(char filled[VAULT_SAVED_IN_LENGTH], const text *saved_in)
{
	memset(filled, ' ', VAULT_SAVED_IN_LENGTH);
	if (saved_in != NULL)
	{
		int			length = VARSIZE_ANY_EXHDR(saved_in);

		memcpy(filled, VARDATA_ANY(saved_in),
			   pg_mbcliplen(VARDATA_ANY(saved_in), length, Min(length, VAULT_SAVED_IN_LENGTH)));
	}
}

/* A test secret's seal is bound to nothing. */
static bool
is_bound_to(const SealedRow *row, const Binding *here)
{
	const Binding nothing = {0};

	return memcmp(&row->seal->binding, row->secret.mode == 'l' ? here : &nothing,
				  sizeof(Binding)) == 0;
}

/*
 * Whatever can fail comes before the mark is written.  After that the secret
 * is either returned or lost.
 */
static OpenResult
open_row(StoreScan *scan, const MasterKeys *keys, const char *key_id, bool once,
		 const text *saved_in, char *plaintext)
{
	SealedRow	row;
	Binding		here;
	bool		bound;
	Seal		spent = {.version = SEAL_VERSION,.state = SEAL_SPENT};
	NameData	revealed_by;
	char		filled[VAULT_SAVED_IN_LENGTH];
	OpenResult	result;
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	namestrcpy(&revealed_by, texts_role_name(spi_owner_actor()));
	fill_saved_in(filled, saved_in);
	bound = !once || binding_here(&here);

	lock_row(scan, &row, once ? BUFFER_LOCK_EXCLUSIVE : BUFFER_LOCK_SHARE);
	if (row.seal->state == SEAL_CLOSED && !(bound && is_bound_to(&row, &here)))
		result = OPEN_ELSEWHERE;
	else
		result = seal_open(row.seal, keys, &row.secret, key_id, plaintext);
	if (result == OPEN_DONE && once)
		lsn = write_row(scan, &row, &spent, &revealed_by, filled);
	unlock_row(&row);

	make_durable(lsn);
	return result;
}

text *
vault_reveal(const text *key_id, const ApiKey *secret, const text *saved_in)
{
	LOCKMODE	lock = secret->mode == 'l' ? RowExclusiveLock : AccessShareLock;
	StoreReader reader;
	StoreScan	scan;
	MasterKeys	keys;
	char		plaintext[KEY_GENERATED_LENGTH];
	text	   *revealed;
	OpenResult	result = OPEN_DAMAGED;

	store_reader_begin(&reader);
	if (!find_row(&scan, &reader, secret, lock))
		elog(ERROR, "the secret of key \"%s\" has no row", text_to_cstring(key_id));

	if (secret->mode == 'l' && compat_has_new_storage(scan.table))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a live secret cannot be revealed in a transaction that rewrote table \"%s\"",
						RelationGetRelationName(scan.table)),
				 errdetail("Its ROLLBACK would bring the secret back."),
				 errhint("Commit first.")));
	if (scan_is_spent(&scan))
		report_not_opened(OPEN_SPENT, text_to_cstring(key_id));

	/*
	 * A live secret's lock keeps rotations out.  A test secret's does not, since
	 * a standby has no stronger one: its master key may be exchanged in between.
	 */
	for (int attempt = 0; attempt < 2; attempt++)
	{
		load_master_keys(&keys);
		result = open_row(&scan, &keys, text_to_cstring(key_id), secret->mode == 'l',
						  saved_in, plaintext);
		master_key_cleanse(&keys);
		if (result != OPEN_UNKNOWN_MASTER_KEY)
			break;
	}
	store_scan_end(&scan);
	store_reader_end(&reader);
	if (result != OPEN_DONE)
		report_not_opened(result, text_to_cstring(key_id));

	revealed = cstring_to_text_with_len(plaintext, KEY_GENERATED_LENGTH);
	crypto_cleanse(plaintext, sizeof(plaintext));
	return revealed;
}

int64
vault_seal_anew(const MasterKeys *keys, const Binding *adopting, int64 *unopened)
{
	const Binding nothing = {0};
	StoreReader reader;
	StoreScan	scan;
	XLogRecPtr	lsn = InvalidXLogRecPtr;
	int64		count = 0;

	store_reader_begin(&reader);
	store_scan_all_begin(&scan, &reader, CATALOG_SEALED_SECRETS,
						 CATALOG_SEALED_SECRETS_BY_SECRET, ShareRowExclusiveLock);
	while (store_scan_next(&scan))
	{
		SealedRow	row;
		Binding		binding;
		Seal		seal;
		char		plaintext[KEY_GENERATED_LENGTH];
		OpenResult	result = OPEN_SPENT;

		CHECK_FOR_INTERRUPTS();
		lock_row(&scan, &row, BUFFER_LOCK_EXCLUSIVE);
		binding = adopting == NULL ? row.seal->binding :
			row.secret.mode == 'l' ? *adopting : nothing;
		if (adopting == NULL || !is_bound_to(&row, adopting))
			result = seal_open(row.seal, keys, &row.secret, row.key_id.text, plaintext);
		if (result == OPEN_DONE)
		{
			seal_close(&seal, &keys->keys[0], &row.secret, row.key_id.text, &binding, plaintext);
			crypto_cleanse(plaintext, sizeof(plaintext));
			lsn = write_row(&scan, &row, &seal, NULL, NULL);
			count++;
		}
		unlock_row(&row);
		if (result != OPEN_DONE && result != OPEN_SPENT)
			(*unopened)++;
	}
	store_scan_end(&scan);
	store_reader_end(&reader);

	make_durable(lsn);
	return count;
}
