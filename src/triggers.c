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

static const CatalogRelation guarded[] = {
	CATALOG_WORKSPACES, CATALOG_MEMBERS, CATALOG_PERMISSIONS, CATALOG_KEYS,
	CATALOG_RETIRED_SECRETS, CATALOG_SEALED_SECRETS, CATALOG_KEY_PERMISSIONS,
	CATALOG_KEY_NETWORKS, CATALOG_KEY_OBJECTS, CATALOG_EVENTS, CATALOG_KEY_USAGE,
	CATALOG_MODE_SETTINGS, CATALOG_ISOLATED_TABLES, CATALOG_HEARTBEAT
};

/* Those that fire also where session_replication_role is replica */
static const struct
{
	CatalogRelation table;
	const char *trigger;
}			always[] = {
	{CATALOG_WORKSPACES, "invalidate"},
	{CATALOG_MODE_SETTINGS, "guard"},
	{CATALOG_SEALED_SECRETS, "guard"},
};

static bool
fires_always(CatalogRelation table, const char *trigger)
{
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
			 errhint("Run ALTER TABLE %s.%s ENABLE %sTRIGGER %s.", CATALOG_SCHEMA, on,
					 fires_always(table, NameStr(trigger->tgname)) ? "ALWAYS " : "", name)));
}

/* Returns a hash of those triggers of a table that are switched off. */
static uint32
look_at_table(Relation triggers, CatalogRelation table, bool warning)
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
		if (warning)
			warn(table, trigger);
	}
	systable_endscan(scan);
	return hash;
}

static uint32
look_at_all(bool warning)
{
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	uint32		hash = 0;

	for (int i = 0; i < (int) lengthof(guarded); i++)
		hash = hash_combine(hash, look_at_table(triggers, guarded[i], warning));
	table_close(triggers, AccessShareLock);
	return hash;
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
	hash = look_at_all(false);
	if (hash != warned_of)
		(void) look_at_all(true);
	warned_of = hash;
	looked_at = generation;
}
