/*
 * subscription.c
 *		Whether the keys of this database are managed in another one, and how
 *		far it is behind that one.
 *
 * Rows that arrive by logical replication are written without the triggers of
 * the tables, which do not fire in its workers.  So what is true of a database
 * with a subscription is read from the server's own catalog, and remembered
 * until an invalidation says that it has changed.
 *
 * How old the rows are tells the row of heartbeat, which the other database
 * writes now and then with its time.  Transactions arrive in the order of their
 * commits, so what was committed before that time is here.  Only while every
 * table is in step with the others is that true of all of them.
 *
 * A subscription that is dropped leaves no trace in the catalog, so the row also
 * tells that it has arrived.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_subscription.h"
#include "catalog/pg_subscription_rel.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "spi_owner.h"
#include "standby.h"
#include "subscription.h"
#include "trigger_row.h"

const CatalogRelation subscription_tables[SUBSCRIPTION_TABLES] = {
	CATALOG_WORKSPACES, CATALOG_PERMISSIONS, CATALOG_KEYS, CATALOG_RETIRED_SECRETS,
	CATALOG_KEY_PERMISSIONS, CATALOG_KEY_NETWORKS, CATALOG_KEY_OBJECTS,
	CATALOG_MODE_SETTINGS, CATALOG_HEARTBEAT
};

#define HEARTBEAT_AT		2		/* the columns */
#define HEARTBEAT_ARRIVED	3

PG_FUNCTION_INFO_V1(subscription_heartbeat_arrives);

/* Good while the catalog's generation is this one */
static uint64 looked_at = 0;
static bool here = false;
static bool in_step;			/* all tables, by the same subscription */

/* Likewise, where there is no subscription: was there one? */
static uint64 looked_back_at = 0;
static bool left_behind;

/*
 * The last heartbeat that was seen.  There is never an older one, so while this
 * one is young enough none is looked for.
 */
static TimestampTz heard;

/*
 * Anyone whom the server lets make subscriptions may name our tables in one,
 * but nothing arrives by it unless he may change them.
 */
static bool
can_bring_rows(Oid subscription)
{
	HeapTuple	tuple = SearchSysCache1(SUBSCRIPTIONOID, ObjectIdGetDatum(subscription));
	bool		can;

	if (!HeapTupleIsValid(tuple))
		return false;
	/* A copy of a database has rows of its original's. */
	can = ((Form_pg_subscription) GETSTRUCT(tuple))->subdbid == MyDatabaseId &&
		has_privs_of_role(((Form_pg_subscription) GETSTRUCT(tuple))->subowner, spi_owner_of_tables());
	ReleaseSysCache(tuple);
	return can;
}

/* What was there before the subscription is not known to be the other database's. */
static bool
was_copied(HeapTuple tuple)
{
	bool		null;

	(void) SysCacheGetAttr(SUBSCRIPTIONRELMAP, tuple, Anum_pg_subscription_rel_srsublsn, &null);
	return !null;
}

/* The subscription by which a table arrives, and is in step; InvalidOid for none or several */
static Oid
subscription_of(CatalogRelation which, int *subscriptions)
{
	Oid			table = catalog_find_relation(which);
	CatCList   *rows;
	Oid			subscription = InvalidOid;

	*subscriptions = 0;
	if (!OidIsValid(table))
		return InvalidOid;
	rows = SearchSysCacheList1(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(table));
	for (int i = 0; i < rows->n_members; i++)
	{
		HeapTuple	tuple = &rows->members[i]->tuple;
		Form_pg_subscription_rel row = (Form_pg_subscription_rel) GETSTRUCT(tuple);

		if (!can_bring_rows(row->srsubid))
			continue;
		(*subscriptions)++;
		if (row->srsubstate == SUBREL_STATE_READY && was_copied(tuple))
			subscription = row->srsubid;
	}
	ReleaseSysCacheList(rows);
	return *subscriptions == 1 ? subscription : InvalidOid;
}

/* A database that gets some of the tables is none where keys are managed. */
static void
look(void)
{
	uint64		now = catalog_current();
	int			subscriptions;
	Oid			subscription = subscription_of(CATALOG_KEYS, &subscriptions);

	here = subscriptions > 0;
	in_step = OidIsValid(subscription);
	heard = 0;
	for (int i = 0; i < SUBSCRIPTION_TABLES; i++)
	{
		in_step &= subscription_of(subscription_tables[i], &subscriptions) == subscription;
		here |= subscriptions > 0;
	}
	looked_at = now;
}

bool
subscription_is_here(void)
{
	if (unlikely(looked_at != catalog_current()))
		look();
	return here;
}

typedef struct Heartbeat
{
	TimestampTz at;				/* 0: there is none */
	bool		arrived;
} Heartbeat;

/* False where the table is not to be had */
static bool
read_heartbeat(StoreReader *reader, Heartbeat *heartbeat)
{
	StoreScan	scan;
	text	   *id = cstring_to_text("authority");
	bool		null;
	bool		open = store_scan_begin_at_once(&scan, reader, CATALOG_HEARTBEAT, CATALOG_HEARTBEAT_BY_ID,
												PointerGetDatum(id));

	memset(heartbeat, 0, sizeof(*heartbeat));
	if (open)
	{
		if (store_scan_next(&scan))
		{
			heartbeat->at = DatumGetTimestampTz(store_scan_value(&scan, HEARTBEAT_AT, &null));
			heartbeat->arrived = DatumGetBool(store_scan_value(&scan, HEARTBEAT_ARRIVED, &null));
		}
		store_scan_end(&scan);
	}
	pfree(id);
	return open;
}

/*
 * Where there is no subscription, but keys have arrived by one, they grow old.
 * What takes the mark away tells sessions by an invalidation.
 */
static bool
is_left_behind(StoreReader *reader)
{
	uint64		now = catalog_current();
	Heartbeat	heartbeat;

	if (likely(looked_back_at == now))
		return left_behind;
	if (!read_heartbeat(reader, &heartbeat))
		return false;
	left_behind = heartbeat.arrived;
	looked_back_at = now;
	return left_behind;
}

bool
subscription_was_here(void)
{
	StoreReader reader;
	bool		was;

	if (subscription_is_here())
		return false;
	store_reader_begin_brief(&reader, false);
	was = is_left_behind(&reader);
	store_reader_end(&reader);
	return was;
}

void
subscription_refuse_changes(void)
{
	(void) catalog_generation();
	if (subscription_is_here())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("keys of this database are managed elsewhere"),
				 errdetail("They arrive here by a subscription."),
				 errhint("Make the change in the database that publishes them.")));
	if (subscription_was_here())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("keys of this database were managed elsewhere"),
				 errdetail("The subscription by which they arrived is gone."),
				 errhint("Subscribe again, or call falukeys.publish_keys() to manage them here from now on.")));
}

/* Was one left out?  Then the number stays, so that no later one counts either, until the row is copied. */
static bool
keep_count(TriggerRow *row)
{
	bool		null;
	int64		next;

	if (!trigger_row_is_update(row))
		return true;
	next = DatumGetInt64(trigger_row_old_value(row, "serial", &null)) + 1;
	if (IsLogicalWorker() && DatumGetInt64(trigger_row_value(row, "serial", &null)) != next)
	{
		trigger_row_set(row, "serial", Int64GetDatum(next - 1));
		return false;
	}
	trigger_row_set(row, "serial", Int64GetDatum(next));
	return true;
}

/*
 * For the heartbeat's row, in whichever way it is written.  One that arrives tells
 * nothing as long as not all tables are in step, or when another was missed: nor
 * does it to databases that get it from here.
 */
Datum
subscription_heartbeat_arrives(PG_FUNCTION_ARGS)
{
	TriggerRow	row;
	bool		counts;

	trigger_row_begin(fcinfo, &row);
	counts = keep_count(&row);
	if (IsLogicalWorker())
	{
		(void) catalog_generation();
		trigger_row_set(&row, "arrived", BoolGetDatum(true));
		if (!counts || !subscription_is_here() || !in_step)
			trigger_row_set(&row, "at", TimestampTzGetDatum(DT_NOBEGIN));
	}
	return trigger_row_result(&row);
}

/* Members are not published, but nothing that they could change is here. */
bool
subscription_refuses(Oid table)
{
	for (int i = 0; i < SUBSCRIPTION_TABLES; i++)
	{
		if (table == catalog_relation(subscription_tables[i]))
			return true;
	}
	return table == catalog_relation(CATALOG_MEMBERS);
}

/* A time that is too far ahead tells nothing either. */
static bool
is_near(TimestampTz at, TimestampTz now)
{
	return !TIMESTAMP_NOT_FINITE(at) &&
		!TimestampDifferenceExceeds(at, now, standby_max_lag) &&
		!TimestampDifferenceExceeds(now, at, standby_max_lag);
}

static bool
is_behind(StoreReader *reader)
{
	TimestampTz now = GetCurrentTimestamp();
	Heartbeat	heartbeat;

	if (!is_near(heard, now))
	{
		(void) read_heartbeat(reader, &heartbeat);
		heard = heartbeat.at;
	}
	return !is_near(heard, now);
}

bool
subscription_is_stale(StoreReader *reader)
{
	if (likely(!subscription_is_here()))
		return is_left_behind(reader);
	return !in_step || (standby_max_lag > 0 && is_behind(reader));
}
