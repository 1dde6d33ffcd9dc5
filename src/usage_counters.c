/*
 * usage_counters.c
 *		How often keys are used, counted in shared memory.
 *
 * Nothing is written when a key is verified; usage_worker moves what was
 * counted here to key_usage, and usage_file keeps it over a restart.
 *
 * Counters stand in sets of a few, found by the hash of database and key, so
 * that whoever needs room chooses the least recently used of one set and looks
 * at no other.  A set is under one of a number of locks:
 * - shared, to find a counter and to add to it, by atomic operations;
 * - exclusive, to give a counter to another key, and to move counts.
 * No one waits for anything else while holding one.
 *
 * Moving is exact: usage_take takes the counts out and notes for which
 * transaction, so that a reader whose snapshot does not see that one commit
 * still finds them here, and usage_settle puts back what was not written.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "usage_counters.h"

#define SET_SIZE		16

/* How long a verification waits for room, in milliseconds */
#define ROOM_WAIT		1000

typedef struct Counter
{
	Oid			database;		/* InvalidOid: free */
	Identifier	key_id;
	UsageClient last_client;
	UsageClient last_retired_client;
	pg_atomic_flag client_is_written;
	bool		being_flushed;	/* the counts below are, in a running transaction */
	TransactionId flushed_by;	/* or were, in one that committed */
	uint64		flushing_uses;
	uint64		flushing_denials;
	pg_atomic_uint64 uses;
	pg_atomic_uint64 denials;
	pg_atomic_uint64 last_used_at;
	pg_atomic_uint64 last_retired_at;
	pg_atomic_uint64 last_seen_at;
} Counter;

typedef struct CounterSet
{
	uint32		hashes[SET_SIZE];	/* first, so that they share a cache line */
	Counter		counters[SET_SIZE];
} CounterSet;

typedef struct Counters
{
	LWLockPadded *locks;
	ConditionVariable room;
	pg_atomic_uint32 waiting_is_vain;	/* set when one has waited in vain */
	pg_atomic_uint64 lost;
	uint32		sets;
	CounterSet *set;
} Counters;

/* One verification */
typedef struct Use
{
	bool		valid;
	bool		retired;
	TimestampTz at;
	UsageClient client;
} Use;

bool		usage_track = true;
int			usage_max_keys = 65536;
void		(*usage_new_counter_hook) (bool crowded) = NULL;

static Counters *counters = NULL;

bool
usage_counters_exist(void)
{
	return counters != NULL;
}

static uint32
number_of_sets(void)
{
	return (usage_max_keys + SET_SIZE - 1) / SET_SIZE;
}

Size
usage_counters_size(void)
{
	return add_size(CACHELINEALIGN(sizeof(Counters)),
					mul_size(number_of_sets(), sizeof(CounterSet)));
}

static uint32
hash_of(Oid database, const Identifier *key_id)
{
	return hash_combine(murmurhash32(database),
						hash_bytes((const unsigned char *) key_id->text, strlen(key_id->text)));
}

static CounterSet *
set_of(uint32 hash)
{
	return &counters->set[hash % counters->sets];
}

static LWLock *
lock_of(const CounterSet *set)
{
	return &counters->locks[(set - counters->set) % USAGE_LOCKS].lock;
}

static Counter *
counter_at(uint32 place)
{
	return &counters->set[place / SET_SIZE].counters[place % SET_SIZE];
}

static LWLock *
lock_at(uint32 place)
{
	return lock_of(&counters->set[place / SET_SIZE]);
}

/* ---- Counting ---- */

static Counter *
find(CounterSet *set, uint32 hash, Oid database, const Identifier *key_id)
{
	for (int i = 0; i < SET_SIZE; i++)
	{
		Counter    *counter = &set->counters[i];

		if (set->hashes[i] == hash && counter->database == database &&
			strcmp(counter->key_id.text, key_id->text) == 0)
			return counter;
	}
	return NULL;
}

static bool
has_counts(Counter *counter)
{
	return pg_atomic_read_u64(&counter->uses) != 0 || pg_atomic_read_u64(&counter->denials) != 0;
}

static void
advance(pg_atomic_uint64 *time, TimestampTz at)
{
	if ((TimestampTz) pg_atomic_read_u64(time) < at)
		pg_atomic_write_u64(time, (uint64) at);
}

/* The lock is held, shared at least. */
static void
add(Counter *counter, const Use *use)
{
	pg_atomic_fetch_add_u64(use->valid ? &counter->uses : &counter->denials, 1);
	advance(&counter->last_seen_at, use->at);
	if (use->retired)
		advance(&counter->last_retired_at, use->at);
	if (use->valid)
		advance(&counter->last_used_at, use->at);

	/* If another one is just being written, it is as recent as ours. */
	if (use->client.family != 0 && (use->valid || use->retired) &&
		pg_atomic_test_set_flag(&counter->client_is_written))
	{
		if (use->valid)
			counter->last_client = use->client;
		if (use->retired)
			counter->last_retired_client = use->client;
		pg_atomic_clear_flag(&counter->client_is_written);
	}
}

static void
reset(Counter *counter, Oid database, const Identifier *key_id)
{
	counter->database = database;
	counter->key_id = *key_id;
	memset(&counter->last_client, 0, sizeof(UsageClient));
	memset(&counter->last_retired_client, 0, sizeof(UsageClient));
	pg_atomic_init_flag(&counter->client_is_written);
	counter->being_flushed = false;
	counter->flushed_by = InvalidTransactionId;
	counter->flushing_uses = 0;
	counter->flushing_denials = 0;
	pg_atomic_write_u64(&counter->uses, 0);
	pg_atomic_write_u64(&counter->denials, 0);
	pg_atomic_write_u64(&counter->last_used_at, 0);
	pg_atomic_write_u64(&counter->last_retired_at, 0);
	pg_atomic_write_u64(&counter->last_seen_at, 0);
}

/*
 * A counter of this set for another key: a free one, or else the least
 * recently used one without counts, or even with counts if they may be lost.
 * *crowded is set where little room is left.  The lock is held exclusively.
 */
static Counter *
claim(CounterSet *set, uint32 hash, const Identifier *key_id, bool may_lose, bool *crowded)
{
	Counter    *chosen = NULL;
	int			usable = 0;

	for (int i = 0; i < SET_SIZE; i++)
	{
		Counter    *counter = &set->counters[i];

		if (counter->database != InvalidOid &&
			(counter->being_flushed || (has_counts(counter) && !may_lose)))
			continue;
		usable++;
		if (chosen == NULL ||
			(chosen->database != InvalidOid &&
			 (counter->database == InvalidOid ||
			  pg_atomic_read_u64(&counter->last_seen_at) < pg_atomic_read_u64(&chosen->last_seen_at))))
			chosen = counter;
	}
	*crowded = usable <= SET_SIZE / 4;
	if (chosen == NULL)
		return NULL;

	if (chosen->database != InvalidOid)
		pg_atomic_fetch_add_u64(&counters->lost,
								pg_atomic_read_u64(&chosen->uses) +
								pg_atomic_read_u64(&chosen->denials));
	reset(chosen, MyDatabaseId, key_id);
	set->hashes[chosen - set->counters] = hash;
	return chosen;
}

/* Counts in the counter of the key, or in a new one if that is available at once. */
static bool
count_in_new(CounterSet *set, uint32 hash, const Identifier *key_id, const Use *use, bool may_lose)
{
	LWLock	   *lock = lock_of(set);
	Counter    *counter;
	bool		is_new;
	bool		crowded = false;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	counter = find(set, hash, MyDatabaseId, key_id);
	is_new = counter == NULL;
	if (is_new)
		counter = claim(set, hash, key_id, may_lose, &crowded);
	if (counter != NULL)
		add(counter, use);
	LWLockRelease(lock);

	if (is_new && usage_new_counter_hook != NULL)
		usage_new_counter_hook(crowded);
	return counter != NULL;
}

/*
 * All counters of the set have counts that wait to be moved.  On a standby
 * nobody moves them; elsewhere we wait a little, so that no count is lost.
 * After waiting in vain, nobody waits until something has been moved again.
 */
static void
count_in_crowd(CounterSet *set, uint32 hash, const Identifier *key_id, const Use *use)
{
	TimestampTz start = GetCurrentTimestamp();

	ConditionVariablePrepareToSleep(&counters->room);
	while (!count_in_new(set, hash, key_id, use, false))
	{
		if (RecoveryInProgress() || pg_atomic_read_u32(&counters->waiting_is_vain) != 0 ||
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(), ROOM_WAIT))
		{
			pg_atomic_write_u32(&counters->waiting_is_vain, 1);
			if (!count_in_new(set, hash, key_id, use, true))
				pg_atomic_fetch_add_u64(&counters->lost, 1);
			break;
		}
		(void) ConditionVariableTimedSleep(&counters->room, ROOM_WAIT / 10, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

void
usage_count(const Identifier *key_id, bool valid, bool retired,
			TimestampTz at, const inet *client)
{
	Use			use = {.valid = valid,.retired = retired,.at = at};
	uint32		hash;
	CounterSet *set;
	Counter    *counter;
	LWLock	   *lock;

	if (counters == NULL || !usage_track)
		return;
	if (client != NULL)
	{
		use.client.family = ip_family(client);
		memcpy(use.client.address, ip_addr(client), ip_addrsize(client));
	}
	hash = hash_of(MyDatabaseId, key_id);
	set = set_of(hash);
	lock = lock_of(set);

	LWLockAcquire(lock, LW_SHARED);
	counter = find(set, hash, MyDatabaseId, key_id);
	if (counter != NULL)
		add(counter, &use);
	LWLockRelease(lock);

	if (counter == NULL && !count_in_new(set, hash, key_id, &use, false))
		count_in_crowd(set, hash, key_id, &use);
}

/* ---- Reading ---- */

Datum
usage_client_datum(const UsageClient *client)
{
	inet	   *value = palloc0(sizeof(inet));

	ip_family(value) = client->family;
	ip_bits(value) = ip_maxbits(value);
	memcpy(ip_addr(value), client->address, ip_addrsize(value));
	SET_INET_VARSIZE(value);
	return InetPGetDatum(value);
}

static void
copy_counts(Counter *counter, UsageCounts *counts)
{
	counts->key_id = counter->key_id;
	counts->last_client = counter->last_client;
	counts->last_retired_client = counter->last_retired_client;
	counts->uses = pg_atomic_read_u64(&counter->uses);
	counts->denials = pg_atomic_read_u64(&counter->denials);
	counts->last_used_at = (TimestampTz) pg_atomic_read_u64(&counter->last_used_at);
	counts->last_retired_at = (TimestampTz) pg_atomic_read_u64(&counter->last_retired_at);
}

/*
 * Are the counts that are being flushed missing from what the snapshot sees?
 * After an abort they are, until they have been put back.
 */
static bool
flush_is_unseen(const Counter *counter, Snapshot snapshot)
{
	if (!TransactionIdIsValid(counter->flushed_by))
		return false;
	return XidInMVCCSnapshot(counter->flushed_by, snapshot) ||
		(counter->being_flushed && !TransactionIdDidCommit(counter->flushed_by));
}

bool
usage_counters_of(const Identifier *key_id, Snapshot snapshot, UsageCounts *counts)
{
	uint32		hash = hash_of(MyDatabaseId, key_id);
	CounterSet *set = set_of(hash);
	LWLock	   *lock = lock_of(set);
	Counter    *counter;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	counter = find(set, hash, MyDatabaseId, key_id);
	if (counter != NULL)
	{
		copy_counts(counter, counts);
		if (flush_is_unseen(counter, snapshot))
		{
			counts->uses += counter->flushing_uses;
			counts->denials += counter->flushing_denials;
		}
	}
	LWLockRelease(lock);
	return counter != NULL;
}

uint64
usage_lost(void)
{
	return pg_atomic_read_u64(&counters->lost);
}

/* ---- Moving ---- */

/* Reads without a lock; whoever acts on the answer looks again under a lock. */
bool
usage_has_counts(Oid database)
{
	for (uint32 place = 0; place < counters->sets * SET_SIZE; place++)
	{
		Counter    *counter = counter_at(place);

		if (counter->database == database && has_counts(counter))
			return true;
	}
	return false;
}

List *
usage_databases(void)
{
	List	   *databases = NIL;

	for (uint32 place = 0; place < counters->sets * SET_SIZE; place++)
	{
		Counter    *counter = counter_at(place);
		Oid			database = counter->database;

		if (database != InvalidOid && has_counts(counter))
			databases = list_append_unique_oid(databases, database);
	}
	return databases;
}

/* The lock is held exclusively. */
static void
take(Counter *counter, UsageCounts *counts, TransactionId transaction)
{
	copy_counts(counter, counts);
	counter->being_flushed = true;
	counter->flushed_by = transaction;
	counter->flushing_uses = counts->uses;
	counter->flushing_denials = counts->denials;
	pg_atomic_write_u64(&counter->uses, 0);
	pg_atomic_write_u64(&counter->denials, 0);
}

int
usage_take(UsageTaken *taken, int maximum, uint32 *position, TransactionId transaction)
{
	TransactionId horizon = GetOldestNonRemovableTransactionId(NULL);
	int			count = 0;

	for (; count < maximum && *position < counters->sets * SET_SIZE; (*position)++)
	{
		Counter    *counter = counter_at(*position);
		LWLock	   *lock = lock_at(*position);

		if (counter->database != MyDatabaseId)
			continue;
		LWLockAcquire(lock, LW_EXCLUSIVE);
		if (counter->database == MyDatabaseId && !counter->being_flushed)
		{
			/*
			 * All snapshots see that transaction by now, and its number may be
			 * reused.
			 */
			if (TransactionIdIsValid(counter->flushed_by) &&
				TransactionIdPrecedes(counter->flushed_by, horizon))
				counter->flushed_by = InvalidTransactionId;
			if (has_counts(counter))
			{
				take(counter, &taken[count].counts, transaction);
				taken[count].place = *position;
				taken[count].written = false;
				count++;
			}
		}
		LWLockRelease(lock);
	}
	return count;
}

void
usage_settle(const UsageTaken *taken, int count)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < count; i++)
	{
		Counter    *counter = counter_at(taken[i].place);
		LWLock	   *lock = lock_at(taken[i].place);

		/* A counter that is being flushed keeps its key. */
		LWLockAcquire(lock, LW_EXCLUSIVE);
		counter->being_flushed = false;
		if (!taken[i].written)
		{
			counter->flushed_by = InvalidTransactionId;
			if ((TimestampTz) pg_atomic_read_u64(&counter->last_seen_at) + USAGE_UNKNOWN_KEPT > now)
			{
				pg_atomic_fetch_add_u64(&counter->uses, counter->flushing_uses);
				pg_atomic_fetch_add_u64(&counter->denials, counter->flushing_denials);
			}
		}
		LWLockRelease(lock);
	}
}

void
usage_made_room(void)
{
	pg_atomic_write_u32(&counters->waiting_is_vain, 0);
	ConditionVariableBroadcast(&counters->room);
}

void
usage_discard(Oid database, TimestampTz seen_before)
{
	for (uint32 place = 0; place < counters->sets * SET_SIZE; place++)
	{
		Counter    *counter = counter_at(place);
		LWLock	   *lock = lock_at(place);

		if (counter->database != database)
			continue;
		LWLockAcquire(lock, LW_EXCLUSIVE);
		if (counter->database == database && !counter->being_flushed &&
			(TimestampTz) pg_atomic_read_u64(&counter->last_seen_at) < seen_before)
			counter->database = InvalidOid;
		LWLockRelease(lock);
	}
}

/* ---- To a file and back, while the server starts or stops ---- */

bool
usage_export(uint32 *position, Oid *database, UsageCounts *counts)
{
	while (*position < counters->sets * SET_SIZE)
	{
		Counter    *counter = counter_at((*position)++);

		if (counter->database == InvalidOid || !has_counts(counter))
			continue;
		*database = counter->database;
		copy_counts(counter, counts);
		return true;
	}
	return false;
}

void
usage_import(Oid database, const UsageCounts *counts)
{
	uint32		hash = hash_of(database, &counts->key_id);
	CounterSet *set = set_of(hash);

	for (int i = 0; i < SET_SIZE; i++)
	{
		Counter    *counter = &set->counters[i];

		if (counter->database != InvalidOid)
			continue;
		reset(counter, database, &counts->key_id);
		set->hashes[i] = hash;
		counter->last_client = counts->last_client;
		counter->last_retired_client = counts->last_retired_client;
		pg_atomic_write_u64(&counter->uses, counts->uses);
		pg_atomic_write_u64(&counter->denials, counts->denials);
		pg_atomic_write_u64(&counter->last_used_at, (uint64) counts->last_used_at);
		pg_atomic_write_u64(&counter->last_retired_at, (uint64) counts->last_retired_at);
		pg_atomic_write_u64(&counter->last_seen_at, (uint64) GetCurrentTimestamp());
		return;
	}

	/* The memory is smaller than before the restart. */
	pg_atomic_fetch_add_u64(&counters->lost, counts->uses + counts->denials);
}

static void
init_counters(void)
{
	memset(counters, 0, usage_counters_size());
	counters->locks = GetNamedLWLockTranche(USAGE_MEMORY);
	counters->sets = number_of_sets();
	counters->set = (CounterSet *) ((char *) counters + CACHELINEALIGN(sizeof(Counters)));
	ConditionVariableInit(&counters->room);
	pg_atomic_init_u32(&counters->waiting_is_vain, 0);
	pg_atomic_init_u64(&counters->lost, 0);
	for (uint32 place = 0; place < counters->sets * SET_SIZE; place++)
	{
		Counter    *counter = counter_at(place);

		pg_atomic_init_flag(&counter->client_is_written);
		pg_atomic_init_u64(&counter->uses, 0);
		pg_atomic_init_u64(&counter->denials, 0);
		pg_atomic_init_u64(&counter->last_used_at, 0);
		pg_atomic_init_u64(&counter->last_retired_at, 0);
		pg_atomic_init_u64(&counter->last_seen_at, 0);
	}
}

void
usage_counters_attach(void *memory, bool first)
{
	counters = memory;
	if (first)
		init_counters();
}
