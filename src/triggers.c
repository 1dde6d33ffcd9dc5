/*
 * triggers.c
 *		Notices where the triggers of our tables are not as they should be.
 *
 * A superuser can switch triggers off, and ENABLE TRIGGER ALL, as pg_dump's
 * --disable-triggers issues it, makes ordinary ones of those that are to fire
 * always.  Nothing is repaired here: someone may have meant it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "catalog.h"
#include "triggers.h"

/* The triggers of each table */
static const struct
{
	CatalogRelation table;
	const char *triggers;
}			guarded[] = {
	{CATALOG_WORKSPACES, "authorize,authorize_row,complete,guard,invalidate,keep,keep_all"},
	{CATALOG_MEMBERS, "authorize,authorize_row,guard,keep_all,record"},
	{CATALOG_PERMISSIONS, "authorize,authorize_row,guard,keep_all,record"},
	{CATALOG_KEYS, "authorize,authorize_row,begin_insert,end_insert,guard,keep_all,record"},
	{CATALOG_RETIRED_SECRETS, "authorize,authorize_row,check_digest,guard,keep,keep_all"},
	{CATALOG_SEALED_SECRETS, "authorize,authorize_row,guard,keep,keep_all"},
	{CATALOG_KEY_PERMISSIONS, "authorize,authorize_row,guard,keep,keep_all,record_delete,record_insert"},
	{CATALOG_KEY_NETWORKS, "authorize,authorize_row,guard,keep,keep_all,record_delete,record_insert"},
	{CATALOG_KEY_OBJECTS, "authorize,authorize_row,guard,keep,keep_all,record_delete,record_insert"},
	{CATALOG_EVENTS, "authorize,authorize_row,end_insert,guard,keep,keep_all"},
	{CATALOG_KEY_USAGE, "authorize,authorize_row,keep_all"},
	{CATALOG_MODE_SETTINGS, "authorize,authorize_row,guard,keep,keep_all,merge"},
	{CATALOG_ISOLATED_TABLES, "authorize,authorize_row,keep_all"},
	{CATALOG_HEARTBEAT, "authorize,authorize_row,guard,keep_all"},
};

/* Those that fire also where session_replication_role is replica, besides authorize_row of each table */
static const struct
{
	CatalogRelation table;
	const char *trigger;
}			always[] = {
	{CATALOG_WORKSPACES, "invalidate"},
	{CATALOG_MODE_SETTINGS, "guard"},
	{CATALOG_SEALED_SECRETS, "guard"},
	{CATALOG_HEARTBEAT, "guard"},
};

static bool
fires_always(CatalogRelation table, const char *trigger)
{
	if (strcmp(trigger, "authorize_row") == 0)
		return true;
	for (int i = 0; i < (int) lengthof(always); i++)
	{
		if (always[i].table == table && strcmp(always[i].trigger, trigger) == 0)
			return true;
	}
	return false;
}

static bool
is_as_it_should_be(CatalogRelation table, Form_pg_trigger trigger)
{
	if (trigger->tgenabled == TRIGGER_FIRES_ALWAYS || trigger->tgisinternal ||
		get_func_namespace(trigger->tgfoid) != get_namespace_oid(CATALOG_INTERNAL_SCHEMA, false))
		return true;			/* or none of our business */
	return trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN &&
		!fires_always(table, NameStr(trigger->tgname));
}

/* The statement that switches one on */
static char *
remedy(CatalogRelation table, Form_pg_trigger trigger)
{
	return psprintf("ALTER TABLE %s.%s ENABLE %sTRIGGER %s", CATALOG_SCHEMA, get_rel_name(trigger->tgrelid),
					fires_always(table, NameStr(trigger->tgname)) ? "ALWAYS " : "",
					quote_identifier(NameStr(trigger->tgname)));
}

static void
warn(CatalogRelation table, Form_pg_trigger trigger)
{
	const char *name = quote_identifier(NameStr(trigger->tgname));
	const char *on = get_rel_name(trigger->tgrelid);

	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("trigger %s of table \"%s.%s\" is switched off", name, CATALOG_SCHEMA, on),
			 trigger->tgenabled == TRIGGER_DISABLED ?
			 errdetail("It does not fire, so the rules that it holds are not kept.") :
			 errdetail("It does not fire for every value of session_replication_role."),
			 errhint("Run %s.", remedy(table, trigger))));
}

typedef void (*Tell) (CatalogRelation table, Form_pg_trigger trigger);

/* Returns a hash of those triggers of a table that are switched off. */
static uint32
look_at_table(Relation triggers, CatalogRelation table, Tell tell)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	uint32		hash = 0;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(catalog_relation(table)));
	scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (is_as_it_should_be(table, trigger))
			continue;
		hash = hash_combine(hash, hash_combine(trigger->oid, (uint32) trigger->tgenabled));
		if (tell != NULL)
			tell(table, trigger);
	}
	systable_endscan(scan);
	return hash;
}

static uint32
look_at_all(Tell tell)
{
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	uint32		hash = 0;

	for (int i = 0; i < (int) lengthof(guarded); i++)
		hash = hash_combine(hash, look_at_table(triggers, guarded[i].table, tell));
	table_close(triggers, AccessShareLock);
	return hash;
}

/* What triggers_hints is making; in memory of its caller */
static List *hints;

static void
add_hint(CatalogRelation table, Form_pg_trigger trigger)
{
	hints = lappend(hints, psprintf("Run %s.", remedy(table, trigger)));
}

static void
add_missing(CatalogRelation table, const char *names)
{
	char	   *name;
	char	   *rest = pstrdup(names);

	while ((name = strsep(&rest, ",")) != NULL)
	{
		if (!OidIsValid(get_trigger_oid(catalog_relation(table), name, true)))
			hints = lappend(hints, psprintf("Trigger %s of table %s.%s is missing: dump the database and restore it into a new one, where CREATE EXTENSION makes it.",
											name, CATALOG_SCHEMA, get_rel_name(catalog_relation(table))));
	}
}

List *
triggers_hints(void)
{
	hints = NIL;
	(void) look_at_all(add_hint);
	for (int i = 0; i < (int) lengthof(guarded); i++)
		add_missing(guarded[i].table, guarded[i].triggers);
	return hints;
}

void
triggers_check(void)
{
	static uint64 looked_at = 0;
	static uint32 warned_of = 0;
	uint64		generation = catalog_generation();
	uint32		hash;

	if (looked_at == generation)
		return;
	hash = look_at_all(NULL);
	if (hash != warned_of)
		(void) look_at_all(warn);
	warned_of = hash;
	looked_at = generation;
}
