/*
 * usage_launcher.c
 *		Starts the workers that move what was counted in memory to key_usage.
 *
 * One launcher serves the whole server: it starts a worker for each database in
 * which something was counted, again when one has failed.  Where there are more
 * databases than the server has room for workers, they take turns.
 *
 * The launcher also sends the heartbeat by which idle standbys know that they
 * are up to date.  The one for databases that subscribe to keys is written by
 * the worker of the database that publishes them, which so has one always.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "background.h"
#include "publication.h"
#include "standby.h"
#include "usage_counters.h"
#include "usage_file.h"
#include "usage_launcher.h"
#include "usage_places.h"

/*
 * How often the launcher looks for databases where nothing wakes it, in
 * milliseconds: as often as they are flushed, within these bounds
 */
#define LAUNCH_INTERVAL_MIN	1000
#define LAUNCH_INTERVAL_MAX	10000

/* How soon it looks again for a database that had to be left for later */
#define LATER_INTERVAL		1000

PGDLLEXPORT void usage_launcher_main(Datum arg);

static bool
database_exists(Oid database)
{
	Relation	databases;
	TableScanDesc scan;
	HeapTuple	tuple;
	bool		exists = false;

	/*
	 * Without a connection to a database, shared catalogs can only be scanned
	 * like this.
	 */
	databases = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(databases, 0, NULL);
	while (!exists && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		exists = ((Form_pg_database) GETSTRUCT(tuple))->oid == database;
	table_endscan(scan);
	table_close(databases, AccessShareLock);
	return exists;
}

static bool
start_worker(int place, Oid database)
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
			 database);
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

/* Returns whether one had to be left for later. */
static bool
start_workers(void)
{
	List	   *databases;
	bool		no_room;
	bool		later = false;
	int			place;
	Oid			database;
	TimestampTz start_at;

	StartTransactionCommand();
	databases = list_concat_unique_oid(usage_databases(), publication_databases());
	no_room = !usage_places_give(databases);
	while (!no_room && (place = usage_places_next(databases, &database, &start_at)) >= 0)
	{
		databases = list_delete_oid(databases, database);
		if (start_at > GetCurrentTimestamp() || usage_places_database_is_wanted(database))
			later = true;
		else if (!database_exists(database))
		{
			usage_discard(database, DT_NOEND);
			usage_places_free(place);
		}
		else if (start_worker(place, database))
			usage_places_started(place);
		else
			no_room = true;
	}
	CommitTransactionCommand();
	if (no_room && !usage_places_are_wanted())
		ereport(LOG,
				(errmsg("there is no room for a worker that flushes the usage of keys"),
				 errdetail("Databases take turns until there is."),
				 errhint("You might need to increase max_worker_processes.")));
	usage_places_set_wanted(no_room);
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

void
usage_launcher_main(Datum arg)
{
	TimestampTz looked_at = 0;
	bool		woken = false;
	bool		later = false;

	background_set_up_signals();
	BackgroundWorkerInitializeConnectionByOid(InvalidOid, InvalidOid, 0);
	usage_places_set_launcher();
	usage_file_remove();

	while (!ShutdownRequestPending)
	{
		/* A standby can write nothing; it may be promoted. */
		bool		primary = !RecoveryInProgress();
		long		wait = Max(LAUNCH_INTERVAL_MIN, Min(usage_flush_interval, LAUNCH_INTERVAL_MAX));

		if (standby_max_lag > 0)
			wait = Min(wait, Max(LAUNCH_INTERVAL_MIN, standby_heartbeat_interval()));
		if (primary)
		{
			if (woken || TimestampDifferenceExceeds(looked_at, GetCurrentTimestamp(), wait))
			{
				looked_at = GetCurrentTimestamp();
				later = start_workers();
			}
		}
		wait = Min(wait, standby_heartbeat());
		report_lost_counts();
		woken = background_wait(later ? Min(wait, LATER_INTERVAL) : wait) || later;
	}
	/* After 0 it would not be started again. */
	proc_exit(1);
}

void
usage_launcher_request(void)
{
	BackgroundWorker launcher = {
		.bgw_name = "falukeys usage launcher",
		.bgw_type = "falukeys usage launcher",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_ConsistentState,
		.bgw_restart_time = 1,
		.bgw_library_name = "falukeys",
		.bgw_function_name = "usage_launcher_main",
	};

	usage_places_request();
	/* Databases are made and dropped under pg_upgrade, and nothing else may write. */
	if (!IsBinaryUpgrade)
		RegisterBackgroundWorker(&launcher);
}
