/*
 * usage_places.c
 *		Which databases have, or are to have, a worker that flushes their counts.
 *
 * A database that is served has a place in shared memory.  The launcher gives
 * it one and starts a worker there, which has the place until it ends.  Only a
 * worker changes a place that it has, and only the launcher one without.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "shared_memory.h"
#include "usage_counters.h"
#include "usage_places.h"

#define SHARED_NAME			"falukeys usage workers"

/* How long a failed worker is left alone: that, in milliseconds, twice as long each time */
#define RESTART_INTERVAL	1000
#define RESTART_DOUBLINGS	6

/* The same for one that had nothing to do */
#define REST_DOUBLINGS		3

/* Databases that are served, by workers at the same time or in turns */
#define PLACES				256

/* A database that is served.  Its worker may be about to start, or have failed. */
struct UsagePlace
{
	Oid			database;		/* InvalidOid: free */
	pid_t		pid;			/* 0: no worker now */
	Latch	   *latch;
	bool		leaving;		/* the worker ends because none is needed */
	TimestampTz started_at;
	int			failures;		/* starts in a row that came to nothing */
};

typedef struct Workers
{
	LWLock	   *lock;			/* protects all of it */
	Latch	   *launcher;
	bool		others_wait;	/* for a worker that the server has no room for */
	int			places;			/* that were ever used */
	UsagePlace	served[FLEXIBLE_ARRAY_MEMBER];
} Workers;

int			usage_flush_interval = 10000;

static Workers *workers = NULL;

static Size
memory_size(void)
{
	return add_size(offsetof(Workers, served), mul_size(PLACES, sizeof(UsagePlace)));
}

static void
attach(void *memory, bool first)
{
	workers = memory;
	if (!first)
		return;
	memset(workers, 0, memory_size());
	workers->lock = &GetNamedLWLockTranche(SHARED_NAME)->lock;
}

static bool
is_served(Oid database)
{
	for (int i = 0; i < workers->places; i++)
	{
		if (workers->served[i].database == database)
			return true;
	}
	return false;
}

static void
wake_launcher(void)
{
	LWLockAcquire(workers->lock, LW_SHARED);
	if (workers->launcher != NULL)
		SetLatch(workers->launcher);
	LWLockRelease(workers->lock);
}

/* The set may be full of counters of another database, so every worker is woken. */
static void
wake_all(void)
{
	LWLockAcquire(workers->lock, LW_SHARED);
	for (int i = 0; i < workers->places; i++)
	{
		if (workers->served[i].latch != NULL)
			SetLatch(workers->served[i].latch);
	}
	if (workers->launcher != NULL)
		SetLatch(workers->launcher);
	LWLockRelease(workers->lock);
}

/* A key of this database has got a counter. */
static void
notice_new_counter(bool crowded)
{
	if (RecoveryInProgress())
		return;
	if (crowded)
		wake_all();
	else if (!is_served(MyDatabaseId))
		wake_launcher();
}

void
usage_places_request(void)
{
	static const SharedMemory wanted = {SHARED_NAME, memory_size, 1, attach};

	shared_memory_request(&wanted);
	usage_new_counter_hook = notice_new_counter;
}

bool
usage_places_database_is_wanted(Oid database)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
	if (LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, false);
	return false;
}

bool
usage_places_are_wanted(void)
{
	return workers->others_wait;
}

/* ---- For the launcher ---- */

static void
forget_launcher(int code, Datum arg)
{
	LWLockAcquire(workers->lock, LW_EXCLUSIVE);
	workers->launcher = NULL;
	LWLockRelease(workers->lock);
}

void
usage_places_set_launcher(void)
{
	LWLockAcquire(workers->lock, LW_EXCLUSIVE);
	workers->launcher = MyLatch;
	LWLockRelease(workers->lock);
	before_shmem_exit(forget_launcher, (Datum) 0);
}

bool
usage_places_give(const List *databases)
{
	bool		all_placed = true;
	ListCell   *cell;

	LWLockAcquire(workers->lock, LW_EXCLUSIVE);
	foreach(cell, databases)
	{
		bool		placed = is_served(lfirst_oid(cell));

		for (int i = 0; !placed && i < PLACES; i++)
		{
			UsagePlace *served = &workers->served[i];

			if (OidIsValid(served->database))
				continue;
			served->database = lfirst_oid(cell);
			served->started_at = 0;
			served->failures = 0;
			workers->places = Max(workers->places, i + 1);
			placed = true;
		}
		all_placed = all_placed && placed;
	}
	LWLockRelease(workers->lock);
	return all_placed;
}

/* A worker that fails is not started again at once. */
static TimestampTz
may_start_at(const UsagePlace *served)
{
	if (served->failures == 0)
		return served->started_at;
	return TimestampTzPlusMilliseconds(served->started_at,
									   (int64) RESTART_INTERVAL << Min(served->failures, RESTART_DOUBLINGS));
}

int
usage_places_next(const List *databases, Oid *database, TimestampTz *start_at)
{
	int			next = -1;

	for (int i = 0; i < workers->places; i++)
	{
		const UsagePlace *served = &workers->served[i];

		if (served->pid == 0 && list_member_oid(databases, served->database) &&
			(next < 0 || may_start_at(served) < may_start_at(&workers->served[next])))
			next = i;
	}
	if (next >= 0)
	{
		*database = workers->served[next].database;
		*start_at = may_start_at(&workers->served[next]);
	}
	return next;
}

void
usage_places_started(int place)
{
	workers->served[place].started_at = GetCurrentTimestamp();
	workers->served[place].failures++;
}

void
usage_places_free(int place)
{
	workers->served[place].database = InvalidOid;
}

void
usage_places_set_wanted(bool wanted)
{
	workers->others_wait = wanted;
}

/* ---- For a worker ---- */

static void
give_up_place(int code, Datum arg)
{
	UsagePlace *place = (UsagePlace *) DatumGetPointer(arg);

	LWLockAcquire(workers->lock, LW_EXCLUSIVE);
	place->pid = 0;
	place->latch = NULL;
	if (place->leaving)
		place->database = InvalidOid;
	LWLockRelease(workers->lock);
	wake_launcher();
}

UsagePlace *
usage_place_take(int number, Oid *database)
{
	UsagePlace *place = &workers->served[number];
	bool		is_free;

	LWLockAcquire(workers->lock, LW_EXCLUSIVE);
	*database = place->database;
	is_free = OidIsValid(*database) && place->pid == 0;
	if (is_free)
	{
		place->pid = MyProcPid;
		place->latch = MyLatch;
		place->leaving = false;
	}
	LWLockRelease(workers->lock);
	if (!is_free)
		return NULL;
	before_shmem_exit(give_up_place, PointerGetDatum(place));
	return place;
}

void
usage_place_works(UsagePlace *place)
{
	place->failures = 0;
}

void
usage_place_leave(UsagePlace *place)
{
	place->leaving = true;
}

void
usage_place_rest(UsagePlace *place)
{
	place->failures = Min(place->failures, REST_DOUBLINGS);
}
