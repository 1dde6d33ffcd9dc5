/*
 * recording.c
 *		What the triggers of the tables record, whoever changed them.
 *
 * Our functions and direct DML leave the same events.  What a function records
 * itself, with more detail, it changes with a pass: see guards.h.
 *
 * A restore adds no events.  Rows without an id, whose lack would tell that they
 * are new, have the start of the transaction that added them instead: a restored
 * row has another one.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "events.h"
#include "guards.h"
#include "recording.h"
#include "spi_owner.h"
#include "store.h"

PG_FUNCTION_INFO_V1(recording_members);
PG_FUNCTION_INFO_V1(recording_permissions);
PG_FUNCTION_INFO_V1(recording_restrictions);

/* Is the inserted row new?  A restored one was added by another transaction. */
static bool
is_new(TriggerRow *row)
{
	bool		null;
	Datum		added_at = trigger_row_value(row, "added_at", &null);

	return !null && DatumGetTimestampTz(added_at) == GetCurrentTransactionStartTimestamp();
}

/*
 * The text that a column was changed to; empty where it was removed, NULL
 * where it is unchanged
 */
static const char *
changed_text(TriggerRow *row, const char *column)
{
	text	   *value = trigger_row_text(row, column);

	if (!trigger_row_differs(row, column))
		return NULL;
	return value == NULL ? "" : text_to_cstring(value);
}

/* A meta may be long, and is the application's own: only that it changed */
static const char *
changed_meta(TriggerRow *row)
{
	return trigger_row_differs(row, "meta") ? "changed" : NULL;
}

static const char *
label_of(TriggerRow *row, const char *column)
{
	bool		null;

	return catalog_enum_label(DatumGetObjectId(trigger_row_value(row, column, &null)));
}

void
recording_workspace(TriggerRow *row)
{
	if (!trigger_row_differs(row, "name") && !trigger_row_differs(row, "meta"))
		return;
	EVENTS_RECORD("workspace.described", trigger_row_text(row, "id"), NULL,
				  {"name", changed_text(row, "name")},
				  {"name_was", trigger_row_differs(row, "name") ?
				  text_to_cstring(trigger_row_old_text(row, "name")) : NULL},
				  {"meta", changed_meta(row)});
}

static const char *
bound_shown(TriggerRow *row, const char *column, bool old, const char *none)
{
	bool		null;
	Datum		value = old ? trigger_row_old_value(row, column, &null) :
		trigger_row_value(row, column, &null);

	if (!trigger_row_differs(row, column))
		return NULL;
	return null ? none : pstrdup(timestamptz_to_str(DatumGetTimestampTz(value)));
}

static void
record_validity(TriggerRow *row, const text *workspace, const text *id)
{
	if (!trigger_row_differs(row, "not_before") && !trigger_row_differs(row, "expires_at"))
		return;
	EVENTS_RECORD("key.validity_changed", workspace, id,
				  {"not_before", bound_shown(row, "not_before", false, "-infinity")},
				  {"not_before_was", bound_shown(row, "not_before", true, "-infinity")},
				  {"expires_at", bound_shown(row, "expires_at", false, "infinity")},
				  {"expires_at_was", bound_shown(row, "expires_at", true, "infinity")});
}

/* Which of the two columns was changed */
static const char *
flags_set(TriggerRow *row, bool to)
{
	bool		permissions = trigger_row_differs(row, "permissions_restricted") &&
		trigger_row_boolean(row, "permissions_restricted") == to;
	bool		networks = trigger_row_differs(row, "networks_restricted") &&
		trigger_row_boolean(row, "networks_restricted") == to;

	if (permissions && networks)
		return "permissions, networks";
	return permissions ? "permissions" : networks ? "networks" : NULL;
}

static void
record_flags(TriggerRow *row, const text *workspace, const text *id)
{
	if (!trigger_row_differs(row, "permissions_restricted") &&
		!trigger_row_differs(row, "networks_restricted"))
		return;
	EVENTS_RECORD("key.restricted", workspace, id,
				  {"restricted", flags_set(row, true)}, {"cleared", flags_set(row, false)});
}

/* Not what the event of the key's end has already */
static void
record_annotation(TriggerRow *row, const text *workspace, const text *id, bool ended)
{
	const char *reason = ended ? NULL : changed_text(row, "revoke_reason");

	if (reason == NULL && !trigger_row_differs(row, "description") &&
		!trigger_row_differs(row, "saved_in") && !trigger_row_differs(row, "meta"))
		return;
	EVENTS_RECORD("key.annotated", workspace, id,
				  {"description", changed_text(row, "description")},
				  {"saved_in", changed_text(row, "saved_in")},
				  {"meta", changed_meta(row)},
				  {"revoke_reason", reason});
}

void
recording_key(TriggerRow *row)
{
	text	   *workspace = trigger_row_text(row, "workspace_id");
	text	   *id = trigger_row_text(row, "id");
	text	   *reason = trigger_row_text(row, "revoke_reason");
	char	   *why = reason ? text_to_cstring(reason) : NULL;
	bool		revoked = trigger_row_differs(row, "revoked_at");
	bool		compromised = trigger_row_differs(row, "compromised_at");

	if (guards_has_pass(GUARD_PASS_ROLL) || guards_has_pass(GUARD_PASS_RECORD))
		return;
	if (trigger_row_differs(row, "disabled"))
		events_record(trigger_row_boolean(row, "disabled") ? "key.disabled" : "key.enabled",
					  workspace, id, 0, NULL);
	record_flags(row, workspace, id);
	record_validity(row, workspace, id);
	record_annotation(row, workspace, id, revoked || compromised);
	if (revoked)
		EVENTS_RECORD("key.revoked", workspace, id, {"reason", why});
	if (compromised)
		EVENTS_RECORD("key.compromised", workspace, id, {"source", why}, {"secret", "ended"});
}

text *
recording_workspace_of(const text *key_id)
{
	KeyFacts	facts;

	return store_read_key(key_id, &facts) ? cstring_to_text(facts.workspace_id.text) : NULL;
}

/* After each change of a row of members.  A changed role is recorded as added. */
Datum
recording_members(PG_FUNCTION_ARGS)
{
	TriggerRow	row;
	SpiOwner	spi;
	bool		null;
	bool		removed;
	Oid			member;
	char	   *name;

	trigger_row_begin(fcinfo, &row);
	removed = trigger_row_is_delete(&row);
	if (trigger_row_is_insert(&row) ? !is_new(&row) :
		!removed && !trigger_row_differs(&row, "role"))
		return PointerGetDatum(NULL);

	member = DatumGetObjectId(removed ? trigger_row_old_value(&row, "member", &null) :
							  trigger_row_value(&row, "member", &null));
	name = GetUserNameFromId(member, true);
	if (name == NULL)
		name = psprintf("%u", member);
	spi_owner_begin(&spi);
	if (removed)
		EVENTS_RECORD("member.removed", trigger_row_old_text(&row, "workspace_id"), NULL,
					  {"member", name});
	else
		EVENTS_RECORD("member.added", trigger_row_text(&row, "workspace_id"), NULL,
					  {"member", name}, {"role", label_of(&row, "role")});
	spi_owner_end(&spi);
	return PointerGetDatum(NULL);
}

/*
 * After each change of a row of permissions.  A changed description is
 * recorded as defined.
 */
Datum
recording_permissions(PG_FUNCTION_ARGS)
{
	TriggerRow	row;
	SpiOwner	spi;
	text	   *description;

	trigger_row_begin(fcinfo, &row);
	if (trigger_row_is_insert(&row) ? !is_new(&row) :
		trigger_row_is_update(&row) && !trigger_row_differs(&row, "description"))
		return PointerGetDatum(NULL);

	spi_owner_begin(&spi);
	if (trigger_row_is_delete(&row))
		EVENTS_RECORD("permission.removed", NULL, NULL,
					  {"permission", text_to_cstring(trigger_row_old_text(&row, "name"))});
	else
	{
		description = trigger_row_text(&row, "description");
		EVENTS_RECORD("permission.defined", NULL, NULL,
					  {"permission", text_to_cstring(trigger_row_text(&row, "name"))},
					  {"description", description ? text_to_cstring(description) : NULL});
	}
	spi_owner_end(&spi);
	return PointerGetDatum(NULL);
}

/*
 * The keys whose restrictions were changed, at most one more than are recorded
 * one by one. "changed" is the trigger's transition table.
 */
static uint64
read_changed(const Trigger *trigger, bool inserted)
{
	return SPI_OWNER_RUN(psprintf("SELECT key_id, string_agg(%s::text, ', ' ORDER BY %s) FROM changed"
								  " WHERE NOT $1 OR added_at = $2 GROUP BY key_id ORDER BY key_id LIMIT %d",
								  trigger->tgargs[1], trigger->tgargs[1], RECORDING_MAX_EVENTS + 1),
						 parameter_boolean(inserted),
						 parameter_timestamp(GetCurrentTransactionStartTimestamp()));
}

/* The other keys, counted by workspace or, where that is NULL, in all */
static uint64
count_rest(const char *workspace, int limit, bool inserted)
{
	return SPI_OWNER_RUN(psprintf("SELECT %s, count(*)::text FROM (SELECT DISTINCT key_id FROM changed"
								  " WHERE NOT $1 OR added_at = $2 ORDER BY key_id OFFSET %d) AS rest"
								  " LEFT JOIN falukeys.keys ON id = key_id GROUP BY 1 ORDER BY 1 LIMIT %d",
								  workspace, RECORDING_MAX_EVENTS, limit),
						 parameter_boolean(inserted),
						 parameter_timestamp(GetCurrentTransactionStartTimestamp()));
}

/* The members of each workspace are to see that keys of theirs were changed. */
static void
record_rest(bool inserted)
{
	uint64		count = count_rest("workspace_id", RECORDING_MAX_EVENTS + 1, inserted);
	SPITupleTable *rest;

	if (count > RECORDING_MAX_EVENTS)
		count = count_rest("NULL::text", 1, inserted);
	rest = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		bool		null;
		Datum		workspace = SPI_getbinval(rest->vals[i], rest->tupdesc, 1, &null);

		EVENTS_RECORD("key.restricted", null ? NULL : DatumGetTextPP(workspace), NULL,
					  {"count", SPI_getvalue(rest->vals[i], rest->tupdesc, 2)});
	}
}

/* After each INSERT into, or DELETE from, a table of what keys are restricted to */
Datum
recording_restrictions(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	bool		inserted;
	SpiOwner	spi;
	SPITupleTable *keys;
	char	   *member;
	uint64		count;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called as a trigger");
	if (guards_has_pass(GUARD_PASS_RECORD) || guards_has_pass(GUARD_PASS_PURGE))
		return PointerGetDatum(NULL);

	inserted = TRIGGER_FIRED_BY_INSERT(data->tg_event);
	member = psprintf("%s_%s", data->tg_trigger->tgargs[0], inserted ? "added" : "removed");
	spi_owner_begin(&spi);
	if (SPI_register_trigger_data(data) != SPI_OK_TD_REGISTER)
		elog(ERROR, "could not register the rows of trigger \"%s\"", data->tg_trigger->tgname);
	count = read_changed(data->tg_trigger, inserted);
	keys = SPI_tuptable;
	for (uint64 i = 0; i < Min(count, RECORDING_MAX_EVENTS); i++)
	{
		bool		null;
		text	   *key_id = DatumGetTextPP(SPI_getbinval(keys->vals[i], keys->tupdesc, 1, &null));

		EVENTS_RECORD("key.restricted", recording_workspace_of(key_id), key_id,
					  {member, SPI_getvalue(keys->vals[i], keys->tupdesc, 2)});
	}
	if (count > RECORDING_MAX_EVENTS)
		record_rest(inserted);
	spi_owner_end(&spi);
	return PointerGetDatum(NULL);
}
