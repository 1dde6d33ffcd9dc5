/*
 * rotation.c
 *		Sealing anew: under another master key, or bound to another database.
 *
 * The file with the master keys is one for all databases of the server, and
 * what is sealed in others cannot be seen from here.  So a rotation of one
 * database puts a new key before the others, those that follow it seal under
 * the same one, and the last of them takes the old ones away.  One lock for the
 * server is held from reading the file to the end of the transaction.
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

#include "access.h"
#include "binding.h"
#include "catalog.h"
#include "compat.h"
#include "events.h"
#include "master_key.h"
#include "neighbours.h"
#include "spi_owner.h"
#include "vault.h"

#define PAUSE	20				/* ms */

PG_FUNCTION_INFO_V1(rotation_rotate_master_key);
PG_FUNCTION_INFO_V1(rotation_adopt_sealed_secrets);

/*
 * Does not queue for the lock: whoever seals, a stop that reissues a key too,
 * would wait behind us.
 */
static void
lock_sealed_secrets(void)
{
	while (!ConditionalLockRelationOid(catalog_relation(CATALOG_SEALED_SECRETS),
									   ShareRowExclusiveLock))
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, PAUSE,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
begin_sealing_anew(const char *function)
{
	access_level_check_superuser(function);
	PreventCommandIfReadOnly(function);
	lock_sealed_secrets();
}

/* A ROLLBACK could bring back seals under keys that the rotation removes. */
static void
refuse_new_storage(void)
{
	Relation	table = table_open(catalog_relation(CATALOG_SEALED_SECRETS), NoLock);

	if (compat_has_new_storage(table) || table->rd_createSubid != InvalidSubTransactionId)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the master key cannot be rotated in a transaction that made or rewrote table \"%s\"",
						RelationGetRelationName(table)),
				 errdetail("Its ROLLBACK would bring the old seals back."),
				 errhint("Commit first.")));
	table_close(table, NoLock);
}

/*
 * Recorded with the transaction, like every event, though the sealing itself
 * is not undone by ROLLBACK
 */
static void
record(const char *event, int64 sealed, int64 unopened)
{
	SpiOwner	spi;

	spi_owner_begin(&spi);
	EVENTS_RECORD(event, NULL, NULL,
				  {"sealed", psprintf(INT64_FORMAT, sealed)},
				  {"unopened", unopened > 0 ? psprintf(INT64_FORMAT, unopened) : NULL});
	spi_owner_end(&spi);
}

static void
warn_of_unopened(int64 unopened)
{
	if (unopened > 0)
		ereport(WARNING,
				(errmsg_plural("%lld sealed secret did not open",
							   "%lld sealed secrets did not open",
							   (unsigned long) unopened, (long long) unopened),
				 errdetail("They are sealed under a master key that is not at hand, or damaged."),
				 errhint("Roll their keys.")));
}

/*
 * Was another database rotated after this one?  Then this one follows, under
 * the same key.  A database that has nothing sealed and was never rotated
 * follows too.
 */
static bool
another_went_ahead(const MasterKeys *keys)
{
	uint8		told[MASTER_KEY_FINGERPRINT_LENGTH];

	if (keys->count == 1)
		return false;
	if (!neighbours_told(told))
		return !vault_anything_is_sealed() || vault_anything_is_behind(keys);
	for (int i = 1; i < keys->count; i++)
	{
		if (crypto_equal(keys->keys[i].fingerprint, told, sizeof(told)))
			return true;
	}
	return vault_anything_is_behind(keys);
}

/*
 * For a file without room for another key, where this database needs no old
 * ones: removes those that no other database needs.
 */
static void
make_room(MasterKeys *keys)
{
	StringInfoData names;
	int			needed;

	initStringInfo(&names);
	needed = neighbours_need(keys, &names);
	master_key_cleanse(keys);
	if (needed < MASTER_KEY_MAX_COUNT)
	{
		master_key_keep(needed);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("master key file \"%s\" is full", master_key_file),
			 errdetail("It holds %d keys, and these databases may have secrets under the old ones: %s.",
					   MASTER_KEY_MAX_COUNT, names.data),
			 errhint("Call falukeys.rotate_master_key() in each of them first, or drop them.")));
}

/* No database loses anything: old keys stay as long as one may need them. */
static void
begin_rotation(MasterKeys *keys)
{
	master_key_lock(ExclusiveLock);
	vault_master_keys(keys);
	if (!master_key_is_in_file())
		return;
	if (another_went_ahead(keys))
	{
		ereport(NOTICE,
				(errmsg("no new master key is made"),
				 errdetail("Secrets are sealed anew under the first one in file \"%s\", as those of another database were.",
						   master_key_file),
				 errhint("Call falukeys.rotate_master_key() again to begin another rotation.")));
		return;
	}
	if (keys->count == MASTER_KEY_MAX_COUNT)
		make_room(keys);
	master_key_cleanse(keys);
	master_key_put_new_first();
	vault_master_keys(keys);
}

static void
end_rotation(const MasterKeys *keys)
{
	StringInfoData names;
	int			needed;

	neighbours_tell(&keys->keys[0]);
	initStringInfo(&names);
	needed = neighbours_need(keys, &names);
	if (master_key_is_in_file() && needed < keys->count)
		master_key_keep(needed);
	if (needed > 1)
		ereport(NOTICE,
				(errmsg("old master keys are still needed"),
				 errdetail("These databases of the server may have secrets under them: %s.",
						   names.data),
				 errhint("Call falukeys.rotate_master_key() in each of them.")));
	else if (!master_key_is_in_file() && keys->count > 1)
		ereport(NOTICE,
				(errmsg("old master keys are not needed any more"),
				 errhint("Make the command of \"%s\" print the first one only.",
						 "falukeys.master_key_command")));
}

Datum
rotation_rotate_master_key(PG_FUNCTION_ARGS)
{
	MasterKeys	keys;
	int64		unopened = 0;
	int64		count;

	begin_sealing_anew("rotate_master_key()");
	refuse_new_storage();
	begin_rotation(&keys);
	count = vault_seal_anew(&keys, NULL, &unopened);
	/*
	 * Only now that everything is on disk under the first key can other keys
	 * be removed.
	 */
	end_rotation(&keys);
	master_key_cleanse(&keys);
	record("master_key.rotated", count, unopened);
	warn_of_unopened(unopened);
	PG_RETURN_INT64(count);
}

Datum
rotation_adopt_sealed_secrets(PG_FUNCTION_ARGS)
{
	MasterKeys	keys;
	Binding		here;
	int64		unopened = 0;
	int64		count;

	begin_sealing_anew("adopt_sealed_secrets()");
	vault_master_keys(&keys);
	binding_make_here(&here);
	neighbours_take_back(keys.keys[0].fingerprint);
	count = vault_seal_anew(&keys, &here, &unopened);
	master_key_cleanse(&keys);
	record("secrets.adopted", count, unopened);
	warn_of_unopened(unopened);
	PG_RETURN_INT64(count);
}
