/*
 * guards.c
 *		What the trigger rooms share, and the triggers that refuse outright.
 *
 * Triggers hold the rules of our tables against any DML, a superuser's too.
 * Our own functions go through the same triggers; what only they may do, they
 * do with a pass.
 *
 * A restore inserts rows that have their ids and secrets already.  Those are
 * taken as they are: nothing is made for them and nothing recorded.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "argument.h"
#include "catalog.h"
#include "events.h"
#include "guards.h"
#include "identifier.h"
#include "subscription.h"
#include "texts.h"

PG_FUNCTION_INFO_V1(guards_refuse_statement);
PG_FUNCTION_INFO_V1(guards_refuse_change);
PG_FUNCTION_INFO_V1(guards_owner_only);
PG_FUNCTION_INFO_V1(guards_owner_only_row);
PG_FUNCTION_INFO_V1(guards_invalidate);
PG_FUNCTION_INFO_V1(guards_mode_settings);
PG_FUNCTION_INFO_V1(guards_merge_mode_settings);
PG_FUNCTION_INFO_V1(guards_permissions);
PG_FUNCTION_INFO_V1(guards_events_before);
PG_FUNCTION_INFO_V1(guards_events_inserted);

static GuardPass held_pass = GUARD_PASS_NONE;

/*
 * A row that a statement makes, between its BEFORE and its AFTER trigger.  Both
 * are in the same subtransaction; an error leaves the second one out.
 */
typedef struct NewRow
{
	dlist_node	node;
	int			nest_level;		/* of the subtransaction that makes it */
	Identifier	id;
} NewRow;

static dlist_head new_rows = DLIST_STATIC_INIT(new_rows);

static void
forget_new_row(NewRow *entry)
{
	dlist_delete(&entry->node);
	pfree(entry);
}

/* The memory of the list belongs to the transaction. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		dlist_init(&new_rows);
}

/* Rows that were rolled back are gone, and no statement outlives its subtransaction. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	dlist_mutable_iter iter;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	dlist_foreach_modify(iter, &new_rows)
	{
		NewRow	   *entry = dlist_container(NewRow, node, iter.cur);

		if (entry->nest_level >= GetCurrentTransactionNestLevel())
			forget_new_row(entry);
	}
}

void
guards_remember_new(const text *id)
{
	static bool registered = false;
	NewRow	   *entry = MemoryContextAlloc(TopTransactionContext, sizeof(NewRow));

	if (!registered)
	{
		RegisterXactCallback(end_transaction, NULL);
		RegisterSubXactCallback(end_subtransaction, NULL);
		registered = true;
	}
	identifier_copy(&entry->id, id);
	entry->nest_level = GetCurrentTransactionNestLevel();
	dlist_push_tail(&new_rows, &entry->node);
}

/* AFTER triggers fire in the order of the rows, so it is mostly the first one. */
bool
guards_take_new(const text *id)
{
	Identifier	wanted;
	dlist_mutable_iter iter;

	identifier_copy(&wanted, id);
	dlist_foreach_modify(iter, &new_rows)
	{
		NewRow	   *entry = dlist_container(NewRow, node, iter.cur);

		if (strcmp(entry->id.text, wanted.text) == 0)
		{
			forget_new_row(entry);
			return true;
		}
	}
	return false;
}

uint64
guards_run_with_pass(GuardPass pass, const char *sql, int count, const Parameter *parameters)
{
	GuardPass	outer = held_pass;
	uint64		processed = 0;

	held_pass = pass;
	PG_TRY();
	{
		processed = spi_owner_run(sql, count, parameters);
	}
	PG_FINALLY();
	{
		held_pass = outer;
	}
	PG_END_TRY();
	return processed;
}

bool
guards_has_pass(GuardPass pass)
{
	return held_pass == pass;
}

void
guards_require_unchanged(TriggerRow *row, int count, const char *const *columns)
{
	for (int i = 0; i < count; i++)
	{
		if (trigger_row_differs(row, columns[i]))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("column \"%s\" of table \"%s\" never changes", columns[i],
							RelationGetRelationName(row->trigger->tg_relation))));
	}
}

void
guards_check_meta(TriggerRow *row)
{
	bool		null;
	Datum		meta = trigger_row_value(row, "meta", &null);

	if (!null && (trigger_row_is_update(row) ? trigger_row_differs(row, "meta") : trigger_row_is_new(row)))
		argument_check_meta("meta", meta);
}

void
guards_fill_creation(TriggerRow *row)
{
	if (trigger_row_is_null(row, "created_at"))
		trigger_row_set(row, "created_at", TimestampTzGetDatum(GetCurrentTimestamp()));
	if (trigger_row_is_null(row, "created_by"))
	{
		Name		actor = palloc(sizeof(NameData));

		namestrcpy(actor, texts_role_name(spi_owner_actor()));
		trigger_row_set(row, "created_by", NameGetDatum(actor));
	}
}

/* For TRUNCATE */
Datum
guards_refuse_statement(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called as a trigger");
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" cannot be truncated",
					RelationGetRelationName(trigger->tg_relation))));
	return PointerGetDatum(NULL);
}

static void
require_owner(Relation table)
{
	if (!has_privs_of_role(GetUserId(), table->rd_rel->relowner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s", RelationGetRelationName(table)),
				 errhint("Only its owner changes it directly; call the functions of falukeys.")));
}

/*
 * This also refuses members of pg_write_all_data, who have the privileges of
 * every table; and everyone where the rows are another database's.
 */
Datum
guards_owner_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called as a trigger");
	require_owner(trigger->tg_relation);
	if (subscription_refuses(RelationGetRelid(trigger->tg_relation)) && !guards_has_pass(GUARD_PASS_TAKE_OVER))
		subscription_refuse_changes();
	return PointerGetDatum(NULL);
}

/*
 * Triggers of statements do not fire where rows arrive by a subscription, which
 * from PostgreSQL 16 on whoever may write a table may make of it.
 */
Datum
guards_owner_only_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called as a trigger");
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		require_owner(trigger->tg_relation);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple);
}

/* For UPDATE and DELETE of rows that stay as they are */
Datum
guards_refuse_change(PG_FUNCTION_ARGS)
{
	TriggerRow	row;

	trigger_row_begin(fcinfo, &row);
	if (trigger_row_is_delete(&row) && guards_has_pass(GUARD_PASS_MERGE))
		return trigger_row_result(&row);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 trigger_row_is_update(&row) ?
			 errmsg("rows of table \"%s\" cannot be updated",
					RelationGetRelationName(row.trigger->tg_relation)) :
			 errmsg("rows of table \"%s\" cannot be deleted",
					RelationGetRelationName(row.trigger->tg_relation)),
			 RelationGetRelid(row.trigger->tg_relation) == catalog_relation(CATALOG_WORKSPACES) ?
			 errhint("Close the workspace with falukeys.close_workspace().") : 0));
	return PointerGetDatum(NULL);
}

/* Sessions that remember rows of this table are told at commit. */
Datum
guards_invalidate(PG_FUNCTION_ARGS)
{
	TriggerRow	row;

	trigger_row_begin(fcinfo, &row);
	/* A tenant may describe its workspace any number of times. */
	if (trigger_row_is_update(&row) && !trigger_row_differs(&row, "state") && !trigger_row_differs(&row, "id"))
		return PointerGetDatum(NULL);
	CacheInvalidateRelcache(row.trigger->tg_relation);
	catalog_announce_change(RelationGetRelid(row.trigger->tg_relation));
	return PointerGetDatum(NULL);
}

/*
 * A restore with disabled triggers puts a mode's row beside the one that is there.
 * The later one holds, and the other one goes with the next change.
 */
#define IS_LATER(later, row) \
	"(age(" later ".xmin) < age(" row ".xmin)" \
	" OR (" later ".xmin = " row ".xmin AND " later ".ctid > " row ".ctid))"

static bool
is_replaced(TriggerRow *row)
{
	SpiOwner	spi;
	uint64		later;

	spi_owner_begin(&spi);
	later = SPI_OWNER_RUN("SELECT FROM falukeys.mode_settings AS s JOIN falukeys.mode_settings AS later USING (mode)"
						  " WHERE s.ctid = $1 AND " IS_LATER("later", "s"),
						  (Parameter) {TIDOID, PointerGetDatum(&row->trigger->tg_trigtuple->t_self), false});
	spi_owner_end(&spi);
	return later > 0;
}

/* After each change of mode_settings */
Datum
guards_merge_mode_settings(PG_FUNCTION_ARGS)
{
	SpiOwner	spi;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called as a trigger");
	spi_owner_begin(&spi);
	guards_run_with_pass(GUARD_PASS_MERGE,
						 "DELETE FROM falukeys.mode_settings AS s USING falukeys.mode_settings AS later"
						 " WHERE later.mode = s.mode AND " IS_LATER("later", "s"),
						 0, NULL);
	spi_owner_end(&spi);
	return PointerGetDatum(NULL);
}

static Parameter
column_parameter(TriggerRow *row, const char *column, Oid type)
{
	bool		null;
	Datum		value = trigger_row_value(row, column, &null);

	return (Parameter) {type, value, null};
}

/* The install script has filled the table already when a restore brings its rows. */
Datum
guards_mode_settings(PG_FUNCTION_ARGS)
{
	TriggerRow	row;
	SpiOwner	spi;
	uint64		updated;

	trigger_row_begin(fcinfo, &row);
	if (trigger_row_is_update(&row))
	{
		static const char *const fixed[] = {"mode"};

		guards_require_unchanged(&row, lengthof(fixed), fixed);
		return is_replaced(&row) ? PointerGetDatum(NULL) : trigger_row_result(&row);
	}

	spi_owner_begin(&spi);
	updated = GUARDS_RUN_WITH_PASS(GUARD_PASS_RECORD,
								   "UPDATE falukeys.mode_settings SET process_payments = $2, deliver_messages = $3,"
								   " verify_identities = $4, webhook_max_attempts = $5, webhook_retry_window = $6"
								   " WHERE mode = $1",
								   column_parameter(&row, "mode", catalog_type("key_mode")),
								   column_parameter(&row, "process_payments", BOOLOID),
								   column_parameter(&row, "deliver_messages", BOOLOID),
								   column_parameter(&row, "verify_identities", BOOLOID),
								   column_parameter(&row, "webhook_max_attempts", INT4OID),
								   column_parameter(&row, "webhook_retry_window", INTERVALOID));
	spi_owner_end(&spi);
	return updated > 0 ? PointerGetDatum(NULL) : trigger_row_result(&row);
}

Datum
guards_permissions(PG_FUNCTION_ARGS)
{
	static const char *const fixed[] = {"name"};
	TriggerRow	row;

	trigger_row_begin(fcinfo, &row);
	if (trigger_row_is_update(&row))
		guards_require_unchanged(&row, lengthof(fixed), fixed);
	trigger_row_redact(&row, "description", ARGUMENT_MAX_TEXT);
	return trigger_row_result(&row);
}

/* For events inserted by hand.  Restored ones have their numbers already. */
Datum
guards_events_before(PG_FUNCTION_ARGS)
{
	TriggerRow	row;
	bool		null;

	trigger_row_begin(fcinfo, &row);
	if (trigger_row_is_null(&row, "id"))
		trigger_row_set(&row, "id", Int64GetDatum(events_take_number()));
	else if (!events_may_have(DatumGetInt64(trigger_row_value(&row, "id", &null))))
		ARGUMENT_REFUSE("argument \"%s\" must be left out, so that the event gets the next number", "id");
	return trigger_row_result(&row);
}

/* After each INSERT statement */
Datum
guards_events_inserted(PG_FUNCTION_ARGS)
{
	events_release_number();
	return PointerGetDatum(NULL);
}
