/*
 * publication.c
 *		Publishing keys to other databases, and telling those how old they are.
 *
 * The publication is an ordinary one of the caller's.  The launcher starts a
 * worker in each database that has subscribers, which it knows by the slots of
 * logical replication, and the worker writes the heartbeat.  A heartbeat that
 * was never begun, by publish_keys, is not written.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "replication/slot.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "access.h"
#include "argument.h"
#include "guards.h"
#include "publication.h"
#include "spi_owner.h"
#include "standby.h"
#include "subscription.h"

/* How soon the heartbeat is tried again where someone has locked its table */
#define RETRY_INTERVAL	100

PG_FUNCTION_INFO_V1(publication_publish_keys);

/* How a publication has a table */
typedef enum Published
{
	PUBLISHED_NOT,
	PUBLISHED_IN_PART,			/* some rows or columns of it */
	PUBLISHED_WHOLE
} Published;

static Published
published(Oid publication, Oid table)
{
	HeapTuple	tuple = SearchSysCache2(PUBLICATIONRELMAP, ObjectIdGetDatum(table),
										ObjectIdGetDatum(publication));
	bool		all_rows;
	bool		all_columns;

	if (!HeapTupleIsValid(tuple))
		return PUBLISHED_NOT;
	(void) SysCacheGetAttr(PUBLICATIONRELMAP, tuple, Anum_pg_publication_rel_prqual, &all_rows);
	(void) SysCacheGetAttr(PUBLICATIONRELMAP, tuple, Anum_pg_publication_rel_prattrs, &all_columns);
	ReleaseSysCache(tuple);
	return all_rows && all_columns ? PUBLISHED_WHOLE : PUBLISHED_IN_PART;
}

static Oid
find_publication(const char *name)
{
	return GetSysCacheOid1(PUBLICATIONNAME, Anum_pg_publication_oid, CStringGetDatum(name));
}

static void
alter(const char *name, const char *action, Oid table)
{
	spi_owner_run(psprintf("ALTER PUBLICATION %s %s TABLE %s.%s", quote_identifier(name), action,
						   CATALOG_SCHEMA, quote_identifier(get_rel_name(table))),
				  0, NULL);
}

static void
complete(const char *name, Oid publication)
{
	for (int i = 0; i < SUBSCRIPTION_TABLES; i++)
	{
		Oid			table = catalog_relation(subscription_tables[i]);
		Published	how = published(publication, table);

		if (how == PUBLISHED_WHOLE)
			continue;
		if (how == PUBLISHED_IN_PART)
			alter(name, "DROP", table);
		alter(name, "ADD", table);
	}
}

static bool
is_complete(Oid publication)
{
	for (int i = 0; i < SUBSCRIPTION_TABLES; i++)
	{
		if (published(publication, catalog_relation(subscription_tables[i])) != PUBLISHED_WHOLE)
			return false;
	}
	return true;
}

static bool
publishes_all_changes(Oid publication)
{
	HeapTuple	tuple = SearchSysCache1(PUBLICATIONOID, ObjectIdGetDatum(publication));
	Form_pg_publication row = (Form_pg_publication) GETSTRUCT(tuple);
	bool		all = row->pubinsert && row->pubupdate && row->pubdelete && row->pubtruncate;

	ReleaseSysCache(tuple);
	return all;
}

/* Its owner can take tables out of it again, and decides who gets what. */
static void
refuse_owner(const char *name, Oid publication)
{
	HeapTuple	tuple = SearchSysCache1(PUBLICATIONOID, ObjectIdGetDatum(publication));
	Oid			owner = ((Form_pg_publication) GETSTRUCT(tuple))->pubowner;

	ReleaseSysCache(tuple);
	if (!has_privs_of_role(owner, spi_owner_of_tables()))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("publication \"%s\" belongs to a role that does not own the keys", name),
				 errhint("Give another name, or change its owner.")));
}

/* Sealed secrets are bound to their own database, and the others to its roles. */
static void
refuse_more(const char *name)
{
	if (SPI_OWNER_RUN("SELECT FROM pg_publication_tables WHERE pubname = $1 AND schemaname = 'falukeys'"
					  " AND tablename IN ('sealed_secrets', 'members', 'events', 'key_usage')",
					  parameter_name(name)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("publication \"%s\" publishes tables that must not leave their database", name),
				 errhint("Give another name, for a publication of just what verification needs.")));
}

/*
 * Whoever subscribed to a publication that lacks something has missed what was
 * changed meanwhile.  He learns it from a heartbeat that does not arrive.
 */
static void
leave_out_a_heartbeat(const char *name, Oid publication)
{
	Oid			table = catalog_relation(CATALOG_HEARTBEAT);
	SpiOwner	spi;

	if (published(publication, table) != PUBLISHED_NOT)
		alter(name, "DROP", table);
	if (subscription_is_here() || subscription_was_here())
		return;
	spi_owner_begin(&spi);
	SPI_OWNER_RUN("UPDATE falukeys.heartbeat SET at = $1", parameter_timestamp(GetCurrentTimestamp()));
	spi_owner_end(&spi);
}

/* Returns whether anything was to be done.  The server decides whether the caller may do it. */
static bool
publish(const char *name)
{
	Oid			publication = find_publication(name);

	if (!OidIsValid(publication))
	{
		spi_owner_run(psprintf("CREATE PUBLICATION %s", quote_identifier(name)), 0, NULL);
		publication = find_publication(name);
	}
	else
	{
		refuse_owner(name, publication);
		refuse_more(name);
		if (is_complete(publication) && publishes_all_changes(publication))
			return false;
		leave_out_a_heartbeat(name, publication);
		spi_owner_run(psprintf("ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate')",
							   quote_identifier(name)), 0, NULL);
	}
	complete(name, publication);
	return true;
}

/*
 * Where keys are managed elsewhere, the heartbeat comes from there.  Where they
 * were, they are managed here from now on.
 */
static bool
begin_heartbeat(void)
{
	SpiOwner	spi;
	uint64		begun;

	if (subscription_is_here())
		return false;
	spi_owner_begin(&spi);
	begun = GUARDS_RUN_WITH_PASS(GUARD_PASS_TAKE_OVER,
								 "INSERT INTO falukeys.heartbeat AS h (at) VALUES ($1) ON CONFLICT (id)"
								 " DO UPDATE SET at = EXCLUDED.at, arrived = false WHERE h.arrived",
								 parameter_timestamp(GetCurrentTimestamp()));
	CacheInvalidateRelcacheByRelid(catalog_relation(CATALOG_HEARTBEAT));
	spi_owner_end(&spi);
	return begun > 0;
}

Datum
publication_publish_keys(PG_FUNCTION_ARGS)
{
	text	   *name;
	SpiOwner	spi;
	bool		done;

	access_check_platform("publish_keys");
	name = argument_text(fcinfo, 0, "name");
	if (VARSIZE_ANY_EXHDR(name) == 0 || VARSIZE_ANY_EXHDR(name) >= NAMEDATALEN)
		ARGUMENT_REFUSE("argument \"%s\" must be the name of a publication", "name");
	(void) catalog_generation();
	spi_owner_begin_as(&spi, GetUserId());
	done = publish(text_to_cstring(name));
	spi_owner_end(&spi);
	if (!begin_heartbeat() && !done)
		ereport(NOTICE,
				(errmsg("publication \"%s\" publishes the keys already", argument_shown(name))));
	PG_RETURN_VOID();
}

List *
publication_databases(void)
{
	List	   *databases = NIL;

	if (standby_max_lag == 0)
		return NIL;
	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots; i++)
	{
		const ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];

		if (slot->in_use && OidIsValid(slot->data.database))
			databases = list_append_unique_oid(databases, slot->data.database);
	}
	LWLockRelease(ReplicationSlotControlLock);
	return databases;
}

bool
publication_is_here(void)
{
	return list_member_oid(publication_databases(), MyDatabaseId);
}

/*
 * Who hears the heartbeat must get all the rest.  The name of a publication that
 * has it, but not the whole of every other table; NULL where there is none
 */
static const char *
find_incomplete(void)
{
	bool		null;
	Datum		names[SUBSCRIPTION_TABLES];

	for (int i = 0; i < SUBSCRIPTION_TABLES; i++)
		names[i] = ObjectIdGetDatum(catalog_relation(subscription_tables[i]));
	if (SPI_OWNER_RUN("SELECT p.pubname::text FROM pg_publication AS p"
					  " WHERE (p.puballtables OR EXISTS (SELECT FROM pg_publication_namespace AS n"
					  " WHERE n.pnpubid = p.oid AND n.pnnspid = $1::regnamespace)"
					  " OR EXISTS (SELECT FROM pg_publication_rel AS r WHERE r.prpubid = p.oid AND r.prrelid = $2))"
					  " AND NOT (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate"
					  " AND (p.puballtables OR EXISTS (SELECT FROM pg_publication_namespace AS n"
					  " WHERE n.pnpubid = p.oid AND n.pnnspid = $1::regnamespace)"
					  " OR (SELECT count(*) = cardinality($3) FROM pg_publication_rel AS r"
					  " WHERE r.prpubid = p.oid AND r.prrelid = ANY ($3))"
					  ") AND NOT EXISTS (SELECT FROM pg_publication_rel AS r WHERE r.prpubid = p.oid"
					  " AND r.prrelid = ANY ($3) AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)))"
					  " ORDER BY p.pubname LIMIT 1",
					  parameter_string(CATALOG_SCHEMA),
					  (Parameter) {OIDOID, ObjectIdGetDatum(catalog_relation(CATALOG_HEARTBEAT)), false},
					  (Parameter) {OIDARRAYOID,
						  PointerGetDatum(construct_array(names, SUBSCRIPTION_TABLES, OIDOID, sizeof(Oid),
														  true, TYPALIGN_INT)), false}) == 0)
		return NULL;
	return TextDatumGetCString(spi_owner_result(1, &null));
}

/* Once, until it is mended */
static void
report_incomplete(const char *name)
{
	static bool reported = false;

	if (name != NULL && !reported)
		ereport(LOG,
				(errmsg("subscribers to keys get no heartbeat, since publication \"%s\" lacks some of what verification needs",
						name),
				 errhint("Run SELECT falukeys.publish_keys(%s), or ALTER PUBLICATION %s DROP TABLE falukeys.heartbeat.",
						 quote_literal_cstr(name), quote_identifier(name))));
	reported = name != NULL;
}

static void
write_heartbeat(TimestampTz at)
{
	SpiOwner	spi;
	const char *incomplete;

	spi_owner_begin(&spi);
	incomplete = find_incomplete();
	report_incomplete(incomplete);
	if (incomplete == NULL)
		SPI_OWNER_RUN("UPDATE falukeys.heartbeat SET at = $1", parameter_timestamp(at));
	spi_owner_end(&spi);
	/* What is not on disk is not sent. */
	ForceSyncCommit();
}

/*
 * Without waiting for anyone.  Returns whether it need not be tried again soon:
 * ExclusiveLock conflicts with whoever could hold up the update of the row.
 */
static bool
beat(void)
{
	bool		done = true;
	/* Before it is known what is published */
	TimestampTz now = GetCurrentTimestamp();

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) catalog_generation();
	if (OidIsValid(get_extension_oid(CATALOG_SCHEMA, true)) && !subscription_is_here() && !subscription_was_here())
	{
		done = ConditionalLockRelationOid(catalog_relation(CATALOG_HEARTBEAT), ExclusiveLock);
		if (done)
			write_heartbeat(now);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return done;
}

long
publication_beat(void)
{
	static TimestampTz due = 0;
	TimestampTz now = GetCurrentTimestamp();
	long		interval = standby_heartbeat_interval();

	if (standby_max_lag == 0)
		return LONG_MAX;
	/* The limit may have been lowered. */
	if (now >= due || due > TimestampTzPlusMilliseconds(now, interval))
	{
		if (publication_is_here() && !beat())
			interval = Min(interval, RETRY_INTERVAL);
		due = TimestampTzPlusMilliseconds(now, interval);
	}
	return Max(TimestampDifferenceMilliseconds(now, due), 1);
}
