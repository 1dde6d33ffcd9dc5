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
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_subscription_rel.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "standby.h"
#include "subscription.h"

const CatalogRelation subscription_tables[SUBSCRIPTION_TABLES] = {
	CATALOG_WORKSPACES, CATALOG_PERMISSIONS, CATALOG_KEYS, CATALOG_RETIRED_SECRETS,
	CATALOG_KEY_PERMISSIONS, CATALOG_KEY_NETWORKS, CATALOG_KEY_OBJECTS,
	CATALOG_MODE_SETTINGS, CATALOG_HEARTBEAT
};

#define HEARTBEAT_AT	2			/* the column */

/* Good while the catalog's generation is this one */
static uint64 looked_at = 0;
static bool here = false;
static bool in_step;			/* all tables, by the same subscription */

/*
 * The last heartbeat that was seen.  There is never an older one, so while this
 * one is young enough none is looked for.
 */
static TimestampTz heard;

/* The subscription by which a table arrives, and is in step; InvalidOid for none or several */
static Oid
subscription_of(CatalogRelation which, bool *any)
{
	Oid			table = catalog_find_relation(which);
	CatCList   *rows;
	Oid			subscription = InvalidOid;

	*any = false;
	if (!OidIsValid(table))
		return InvalidOid;
	rows = SearchSysCacheList1(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(table));
	*any = rows->n_members > 0;
	if (rows->n_members == 1)
	{
		Form_pg_subscription_rel row = (Form_pg_subscription_rel) GETSTRUCT(&rows->members[0]->tuple);

		if (row->srsubstate == SUBREL_STATE_READY)
			subscription = row->srsubid;
	}
	ReleaseSysCacheList(rows);
	return subscription;
}

static void
look(void)
{
	uint64		now = catalog_current();
	bool		any;
	Oid			subscription = subscription_of(CATALOG_KEYS, &any);

	here = any;
	in_step = OidIsValid(subscription);
	heard = 0;
	for (int i = 0; in_step && i < SUBSCRIPTION_TABLES; i++)
		in_step = subscription_of(subscription_tables[i], &any) == subscription;
	looked_at = now;
}

bool
subscription_is_here(void)
{
	if (unlikely(looked_at != catalog_current()))
		look();
	return here;
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

static TimestampTz
read_heartbeat(StoreReader *reader)
{
	StoreScan	scan;
	text	   *id = cstring_to_text("authority");
	TimestampTz at = 0;
	bool		null;

	if (store_scan_begin_at_once(&scan, reader, CATALOG_HEARTBEAT, CATALOG_HEARTBEAT_BY_ID,
								 PointerGetDatum(id)))
	{
		if (store_scan_next(&scan))
			at = DatumGetTimestampTz(store_scan_value(&scan, HEARTBEAT_AT, &null));
		store_scan_end(&scan);
	}
	pfree(id);
	return at;
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

	if (!is_near(heard, now))
		heard = read_heartbeat(reader);
	return !is_near(heard, now);
}

bool
subscription_is_stale(StoreReader *reader)
{
	if (likely(!subscription_is_here()))
		return false;
	return !in_step || (standby_max_lag > 0 && is_behind(reader));
}
