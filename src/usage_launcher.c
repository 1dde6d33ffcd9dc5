/*
 * usage_launcher.c
 *		Starts the workers that move what was counted in memory to key_usage.
 *
 * One launcher serves the whole server: it starts a worker for each database in
 * which something was counted, again when one has failed.  Where there are more
 * databases than the server has room for workers, they take turns.
 *
 * The launcher also sends the heartbeat by which idle standbys know that they
 * are up to date.
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/procsignal.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "shared_memory.h"
#include "standby.h"
#include "usage_counters.h"
#include "usage_file.h"
#include "usage_launcher.h"

#define SHARED_NAME			"falukeys usage workers"

/*
 * How often the launcher looks for databases where nothing wakes it, in
 * milliseconds: as often as they are flushed, within these bounds
 */
#define LAUNCH_INTERVAL_MIN	1000
#define LAUNCH_INTERVAL_MAX	10000

/* How long it leaves a failed worker alone: that, in milliseconds, twice as long each time */
#define RESTART_INTERVAL	1000
#define RESTART_DOUBLINGS	6

/* Databases that are served, by workers at the same time or in turns */
#define PLACES				256

PGDLLEXPORT void usage_launcher_main(Datum arg);

/* A database that is served.  Its worker may be about to start, or have failed. */
typedef struct Served
{
	Oid			database;		/* InvalidOid: free */
	pid_t		pid;			/* 0: no worker now */
	Latch	   *latch;
	TimestampTz started_at;
	int			failures;		/* starts in a row that came to nothing */
} Served;

typedef struct Workers
{
	LWLock	   *lock;			/* protects all of it */
	Latch	   *launcher;
	bool		others_wait;	/* for a worker that the server has no room for */
	int			places;			/* that were ever used */
	Served		served[FLEXIBLE_ARRAY_MEMBER];
} Workers;

int			usage_flush_interval = 10000;

static Workers *workers = NULL;
static Served *my_place = NULL;
static bool leaving = false;

static Size
memory_size(void)
{
	return add_size(offsetof(Workers, served), mul_size(PLACES, sizeof(Served)));
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

/* What one database counted may be in the way of another. */
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

/* ---- What launcher and workers share ---- */

bool
usage_worker_wait(long milliseconds)
{
	int			events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
								   milliseconds, PG_WAIT_EXTENSION);

	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	return (events & WL_LATCH_SET) != 0;
}

void
usage_worker_set_up_signals(void)
{
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
}

/* ---- A worker's place ---- */

static void
give_up_place(int code, Datum arg)
{
	LWLockAcquire(workers->lock, LW_EXCLUSIVE);
	my_place->pid = 0;
	my_place->latch = NULL;
	if (leaving)
		my_place->database = InvalidOid;
	LWLockRelease(workers->lock);
	wake_launcher();
}

void
usage_place_leave(void)
{
	leaving = true;
}

void
usage_place_works(void)
{
	my_place->failures = 0;
}

bool
usage_place_is_wanted(void)
{
	return workers->others_wait;
}

bool
usage_place_take(int place, Oid *database)
{
	bool		is_free;

	LWLockAcquire(workers->lock, LW_EXCLUSIVE);
	my_place = &workers->served[place];
	*database = my_place->database;
	is_free = OidIsValid(*database) && my_place->pid == 0;
	if (is_free)
	{
		my_place->pid = MyProcPid;
		my_place->latch = MyLatch;
	}
	LWLockRelease(workers->lock);
	if (is_free)
		before_shmem_exit(give_up_place, (Datum) 0);
	return is_free;
}

/* ---- The launcher ---- */

bool
usage_database_is_wanted(Oid database)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
	if (LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, false);
	return false;
}

static bool
database_exists(Oid database)
{
	Relation	databases;
	TableScanDesc scan;
	HeapTuple	tuple;
	bool		exists = false;

	/* Connected to none, we have only what shared catalogs can be scanned by. */
	databases = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(databases, 0, NULL);
	while (!exists && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		exists = ((Form_pg_database) GETSTRUCT(tuple))->oid == database;
	table_endscan(scan);
	table_close(databases, AccessShareLock);
	return exists;
}

static bool
start_worker(int place)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_ConsistentState,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = Int32GetDatum(place),
		.bgw_notify_pid = MyProcPid,
	};

	strlcpy(worker.bgw_library_name, "falukeys", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "usage_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "falukeys usage worker", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "falukeys usage worker for database %u",
			 workers->served[place].database);
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

/* Databases in which something was counted get a place; false if one does not. */
static bool
place_databases(const List *databases)
{
	bool		all_placed = true;
	ListCell   *cell;

	LWLockAcquire(workers->lock, LW_EXCLUSIVE);
	foreach(cell, databases)
	{
		bool		placed = is_served(lfirst_oid(cell));

		for (int i = 0; !placed && i < PLACES; i++)
		{
			Served	   *served = &workers->served[i];

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
may_start_at(const Served *served)
{
	if (served->failures == 0)
		return served->started_at;
	return TimestampTzPlusMilliseconds(served->started_at,
									   (int64) RESTART_INTERVAL << Min(served->failures, RESTART_DOUBLINGS));
}

/* Of those with something to flush and no worker, the one that waits for the longest time */
static int
next_place(const List *databases)
{
	int			next = -1;

	for (int i = 0; i < workers->places; i++)
	{
		const Served *served = &workers->served[i];

		if (served->pid == 0 && list_member_oid(databases, served->database) &&
			(next < 0 || may_start_at(served) < may_start_at(&workers->served[next])))
			next = i;
	}
	return next;
}

/*
 * Answers whether one had to be left for later.  Only workers change places
 * that have one, and we look at those that have none.
 */
static bool
start_workers(void)
{
	List	   *databases = usage_databases();
	bool		no_room = !place_databases(databases);
	bool		later = false;
	int			place;

	StartTransactionCommand();
	while (!no_room && (place = next_place(databases)) >= 0)
	{
		Served	   *served = &workers->served[place];
		Oid			database = served->database;

		databases = list_delete_oid(databases, database);
		if (may_start_at(served) > GetCurrentTimestamp() || usage_database_is_wanted(database))
			later = true;
		else if (!database_exists(database))
		{
			usage_discard(database, DT_NOEND);
			served->database = InvalidOid;
		}
		else if (start_worker(place))
		{
			served->started_at = GetCurrentTimestamp();
			served->failures++;
		}
		else
			no_room = true;
	}
	CommitTransactionCommand();
	if (no_room && !workers->others_wait)
		ereport(LOG,
				(errmsg("there is no room for a worker that flushes the usage of keys"),
				 errdetail("Databases take turns until there is."),
				 errhint("You might need to increase max_worker_processes.")));
	workers->others_wait = no_room;
	list_free(databases);
	return later || no_room;
}

static void
report_lost_counts(void)
{
	static uint64 reported = 0;
	uint64		lost = usage_lost();

	if (lost > reported)
		ereport(LOG,
				(errmsg_plural("%llu verification is not in the usage of its key, for want of memory",
							   "%llu verifications are not in the usage of their keys, for want of memory",
							   (unsigned long) (lost - reported),
							   (unsigned long long) (lost - reported)),
				 errhint("You might need to increase falukeys.max_tracked_keys.")));
	reported = lost;
}

static void
forget_launcher(int code, Datum arg)
{
	LWLockAcquire(workers->lock, LW_EXCLUSIVE);
	workers->launcher = NULL;
	LWLockRelease(workers->lock);
}

void
usage_launcher_main(Datum arg)
{
	TimestampTz looked_at = 0;
	bool		woken = false;
	bool		later = false;

	usage_worker_set_up_signals();
	BackgroundWorkerInitializeConnectionByOid(InvalidOid, InvalidOid, 0);
	LWLockAcquire(workers->lock, LW_EXCLUSIVE);
	workers->launcher = MyLatch;
	LWLockRelease(workers->lock);
	before_shmem_exit(forget_launcher, (Datum) 0);
	usage_file_remove();

	while (!ShutdownRequestPending)
	{
		/* A standby can write nothing; it may be promoted. */
		bool		primary = !RecoveryInProgress();
		long		wait = Max(LAUNCH_INTERVAL_MIN, Min(usage_flush_interval, LAUNCH_INTERVAL_MAX));

		if (primary)
		{
			if (woken || TimestampDifferenceExceeds(looked_at, GetCurrentTimestamp(), wait))
			{
				looked_at = GetCurrentTimestamp();
				later = start_workers();
			}
			wait = Min(wait, standby_heartbeat());
		}
		report_lost_counts();
		woken = usage_worker_wait(later ? Min(wait, RESTART_INTERVAL) : wait) || later;
	}
	/* Not 0, after which it would not be started again. */
	proc_exit(1);
}

void
usage_launcher_request(void)
{
	static const SharedMemory wanted = {SHARED_NAME, memory_size, 1, attach};
	BackgroundWorker launcher = {
		.bgw_name = "falukeys usage launcher",
		.bgw_type = "falukeys usage launcher",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_ConsistentState,
		.bgw_restart_time = 1,
		.bgw_library_name = "falukeys",
		.bgw_function_name = "usage_launcher_main",
	};

	shared_memory_request(&wanted);
	usage_new_counter_hook = notice_new_counter;
	RegisterBackgroundWorker(&launcher);
}
