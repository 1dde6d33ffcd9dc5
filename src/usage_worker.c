/*
 * usage_worker.c
 *		Moves what was counted of one database's keys to key_usage.
 *
 * A worker stays connected, so that it can flush when the server is shut down,
 * but leaves when its database is wanted for something that bears no connection
 * (DROP DATABASE, say), and when the extension is gone.
 *
 * It waits for no lock that others could hold for long, so that no one ever
 * waits for a worker that waits for him.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "background.h"
#include "catalog.h"
#include "publication.h"
#include "spi_owner.h"
#include "usage_counters.h"
#include "usage_places.h"

#define BATCH				1000

/* How often a worker looks whether its database is wanted, in milliseconds */
#define LOOK_INTERVAL		1000

/* How often it looks for counts at most, since it looks at every counter */
#define FLUSH_INTERVAL_MIN	10

PGDLLEXPORT void usage_worker_main(Datum arg);

static UsageTaken taken[BATCH];
static int	taken_count = 0;
static uint64 written;			/* of them */

/* Settles what the transaction took, however it ended. */
static void
settle(XactEvent event, void *arg)
{
	if (taken_count == 0 || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT))
		return;
	if (event == XACT_EVENT_ABORT)
	{
		for (int i = 0; i < taken_count; i++)
			taken[i].written = false;
	}
	usage_settle(taken, taken_count);
	taken_count = 0;
}

static int
compare_key_ids(const void *a, const void *b)
{
	return strcmp(((const UsageTaken *) a)->counts.key_id.text,
				  ((const UsageTaken *) b)->counts.key_id.text);
}

static void
mark_written(const text *key_id)
{
	UsageTaken	sought;
	UsageTaken *found;

	identifier_copy(&sought.counts.key_id, key_id);
	found = bsearch(&sought, taken, taken_count, sizeof(UsageTaken), compare_key_ids);
	if (found != NULL)
		found->written = true;
}

typedef struct Column
{
	Datum		values[BATCH];
	bool		nulls[BATCH];
} Column;

static void
put_time(Column *column, int row, TimestampTz time)
{
	column->values[row] = TimestampTzGetDatum(time);
	column->nulls[row] = time == 0;
}

static void
put_client(Column *column, int row, const UsageClient *client)
{
	column->nulls[row] = client->family == 0;
	if (!column->nulls[row])
		column->values[row] = usage_client_datum(client);
}

static Parameter
parameter_column(Column *column, Oid element, Oid array)
{
	int16		length;
	bool		by_value;
	char		alignment;
	int			lower = 1;

	get_typlenbyvalalign(element, &length, &by_value, &alignment);
	return (Parameter) {array,
		PointerGetDatum(construct_md_array(column->values, column->nulls, 1, &taken_count, &lower,
										   element, length, by_value, alignment)), false};
}

/* In the order of ids, in which everyone locks them */
static void
write_taken(void)
{
	Column	   *key_ids = palloc0(sizeof(Column));
	Column	   *uses = palloc0(sizeof(Column));
	Column	   *denials = palloc0(sizeof(Column));
	Column	   *used_at = palloc0(sizeof(Column));
	Column	   *retired_at = palloc0(sizeof(Column));
	Column	   *clients = palloc0(sizeof(Column));
	Column	   *retired_clients = palloc0(sizeof(Column));

	qsort(taken, taken_count, sizeof(UsageTaken), compare_key_ids);
	for (int i = 0; i < taken_count; i++)
	{
		const UsageCounts *counts = &taken[i].counts;

		key_ids->values[i] = CStringGetTextDatum(counts->key_id.text);
		uses->values[i] = Int64GetDatum((int64) counts->uses);
		denials->values[i] = Int64GetDatum((int64) counts->denials);
		put_time(used_at, i, counts->last_used_at);
		put_time(retired_at, i, counts->last_retired_at);
		put_client(clients, i, &counts->last_client);
		put_client(retired_clients, i, &counts->last_retired_client);
	}

	/* A key may have been purged, or its creation not be committed yet. */
	written = SPI_OWNER_RUN("INSERT INTO falukeys.key_usage AS u"
							" (key_id, uses, denials, last_used_at, last_retired_at, last_client, last_retired_client)"
							" SELECT k.id, t.uses, t.denials, t.used_at, t.retired_at, t.client, t.retired_client"
							" FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7))"
							" AS t(key_id, uses, denials, used_at, retired_at, client, retired_client)"
							" JOIN falukeys.keys AS k ON k.id = t.key_id"
							" ORDER BY k.id"
							" ON CONFLICT (key_id) DO UPDATE SET uses = u.uses + EXCLUDED.uses,"
							" denials = u.denials + EXCLUDED.denials,"
							" last_used_at = greatest(u.last_used_at, EXCLUDED.last_used_at),"
							" last_retired_at = greatest(u.last_retired_at, EXCLUDED.last_retired_at),"
							" last_client = coalesce(EXCLUDED.last_client, u.last_client),"
							" last_retired_client = coalesce(EXCLUDED.last_retired_client, u.last_retired_client)"
							" RETURNING key_id",
							parameter_column(key_ids, TEXTOID, TEXTARRAYOID),
							parameter_column(uses, INT8OID, INT8ARRAYOID),
							parameter_column(denials, INT8OID, INT8ARRAYOID),
							parameter_column(used_at, TIMESTAMPTZOID, TIMESTAMPTZARRAYOID),
							parameter_column(retired_at, TIMESTAMPTZOID, TIMESTAMPTZARRAYOID),
							parameter_column(clients, INETOID, INETARRAYOID),
							parameter_column(retired_clients, INETOID, INETARRAYOID));
	for (uint64 i = 0; i < written; i++)
	{
		bool		null;

		mark_written(DatumGetTextPP(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
												  1, &null)));
	}
}

/* At once, or not at all */
static bool
lock_tables(void)
{
	return ConditionalLockRelationOid(catalog_relation(CATALOG_KEYS), AccessShareLock) &&
		ConditionalLockRelationOid(catalog_relation(CATALOG_KEY_USAGE), RowExclusiveLock);
}

static bool
extension_exists(void)
{
	return OidIsValid(get_extension_oid(CATALOG_SCHEMA, true));
}

/* Returns how many keys were taken. */
static int
flush_in_transaction(uint32 *position)
{
	SpiOwner	spi;
	int			count = 0;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (extension_exists() && lock_tables())
	{
		taken_count = count = usage_take(taken, BATCH, position, GetTopTransactionId());
		if (count > 0)
		{
			spi_owner_begin(&spi);
			write_taken();
			spi_owner_end(&spi);
		}
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return count;
}

/* Returns whether there may be more. */
static bool
flush_batch(uint32 *position)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool more = false;

	PG_TRY();
	{
		more = flush_in_transaction(position) == BATCH;
	}
	PG_CATCH();
	{
		/* Someone has locked a row of key_usage.  Try again later. */
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		AbortCurrentTransaction();
		written = 0;
	}
	PG_END_TRY();
	return more;
}

static void
flush(void)
{
	uint32		position = 0;
	bool		more;

	if (!usage_has_counts(MyDatabaseId))
		return;
	pgstat_report_activity(STATE_RUNNING, "flushing the usage of keys");
	do
	{
		written = 0;
		more = flush_batch(&position);
		if (written > 0)
			usage_made_room();
	} while (more);
	pgstat_report_activity(STATE_IDLE, NULL);
	pgstat_report_stat(false);
}

/*
 * Ends the worker if its database is wanted or the extension is gone.  An
 * extension that was never seen may just be being created.
 */
static void
look_around(UsagePlace *place)
{
	static bool seen = false;
	bool		wanted;
	bool		exists;

	StartTransactionCommand();
	wanted = usage_places_database_is_wanted(MyDatabaseId);
	exists = extension_exists();
	CommitTransactionCommand();

	seen = seen || exists;
	if (!exists)
		usage_discard(MyDatabaseId, seen ? DT_NOEND : GetCurrentTimestamp() - USAGE_UNKNOWN_KEPT);
	if (!wanted && !exists && publication_is_here() && !usage_has_counts(MyDatabaseId))
	{
		/* Its slots are of no concern to us, and would start another one at once. */
		usage_place_rest(place);
		proc_exit(0);
	}
	if (wanted || (!exists && !usage_has_counts(MyDatabaseId)))
		usage_place_leave(place);
	else if (!usage_places_are_wanted())
		return;
	flush();
	/* Where databases take turns, this was its turn. */
	if (!wanted)
		(void) publication_beat();
	usage_place_works(place);
	proc_exit(0);
}

/* Settings of the database or of a role are not meant for us. */
static void
set_up_session(void)
{
	static const char *const settings[][2] = {
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
		/* A crash would lose these counts anyway. */
		{"synchronous_commit", "off"},
		{"lock_timeout", "100ms"},
		{"statement_timeout", "0"},
	};

	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

void
usage_worker_main(Datum arg)
{
	UsagePlace *place;
	Oid			database;
	TimestampTz flushed_at = 0;
	TimestampTz looked_at = 0;
	bool		woken = false;

	background_set_up_signals();
	place = usage_place_take(DatumGetInt32(arg), &database);
	if (place == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
	set_up_session();
	RegisterXactCallback(settle, NULL);

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		int			interval = Max(usage_flush_interval, FLUSH_INTERVAL_MIN);
		long		beat_in;

		if (ShutdownRequestPending)
		{
			flush();
			proc_exit(0);
		}
		if (TimestampDifferenceExceeds(looked_at, now, LOOK_INTERVAL))
		{
			look_around(place);
			looked_at = now;
		}
		if (woken || TimestampDifferenceExceeds(flushed_at, now, interval))
		{
			flush();
			flushed_at = now;
		}
		beat_in = publication_beat();
		usage_place_works(place);
		woken = background_wait(Min(beat_in, Min(interval, LOOK_INTERVAL)));
	}
}

