/*
 * guards_workspaces.c
 *		Triggers that hold the rules of workspaces and their members.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "argument.h"
#include "events.h"
#include "guards.h"
#include "identifier.h"
#include "recording.h"
#include "registration.h"
#include "standby.h"
#include "store.h"

PG_FUNCTION_INFO_V1(guards_workspaces_before);
PG_FUNCTION_INFO_V1(guards_workspaces_after);
PG_FUNCTION_INFO_V1(guards_members_before);

static WorkspaceState
state_in(TriggerRow *row, bool old, const char *column)
{
	bool		null;
	Datum		value = old ? trigger_row_old_value(row, column, &null) : trigger_row_value(row, column, &null);

	if (null)
		ARGUMENT_REFUSE("argument \"%s\" must be a workspace_state", column);
	return catalog_workspace_state(DatumGetObjectId(value));
}

/* Labels that someone added to the type mean nothing to us. */
static void
require_known_state(TriggerRow *row)
{
	bool		null;
	Datum		state = trigger_row_value(row, "state", &null);

	if (!null && !catalog_knows_workspace_state(DatumGetObjectId(state)))
		ARGUMENT_REFUSE("argument \"%s\" must be pending, approved, suspended or closed", "state");
}

static void
prepare_new(TriggerRow *row)
{
	text	   *id = identifier_generate(IDENTIFIER_WORKSPACE);

	if (state_in(row, false, "state") != WORKSPACE_PENDING)
		GUARDS_REFUSE("a new workspace is pending",
					  "Approve it once it exists, with falukeys.approve_workspace().");
	trigger_row_set(row, "id", PointerGetDatum(id));
	trigger_row_set_null(row, "approved_at");
	trigger_row_set_null(row, "suspended_from");
	guards_remember_new(id);
}

static void
prepare_insert(TriggerRow *row)
{
	if (trigger_row_is_null(row, "id"))
		prepare_new(row);
	else if (!identifier_is_valid(IDENTIFIER_WORKSPACE, trigger_row_text(row, "id")))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be an id as falukeys makes them", "id"),
				 errhint("Leave it out for a new workspace.")));
	guards_fill_creation(row);
	if (trigger_row_is_null(row, "state_changed_at"))
	{
		bool		null;

		trigger_row_set(row, "state_changed_at", trigger_row_value(row, "created_at", &null));
	}
}

/* Raises unless a workspace may change from its old state to its new one. */
static void
check_transition(TriggerRow *row, WorkspaceState from, WorkspaceState to)
{
	if (from == WORKSPACE_CLOSED)
		GUARDS_REFUSE("the workspace is closed", "Create another one.");
	if (to == WORKSPACE_CLOSED || (to == WORKSPACE_SUSPENDED && from != WORKSPACE_SUSPENDED))
		return;
	if (from == WORKSPACE_SUSPENDED)
	{
		if (to != state_in(row, true, "suspended_from"))
			GUARDS_REFUSE("the workspace is suspended",
						  "Resume it first, with falukeys.resume_workspace().");
	}
	else if (to == WORKSPACE_PENDING)
		GUARDS_REFUSE("a workspace that was approved does not become pending again",
					  "Suspend it with falukeys.suspend_workspace().");
}

static void
prepare_transition(TriggerRow *row)
{
	WorkspaceState from = state_in(row, true, "state");
	WorkspaceState to = state_in(row, false, "state");
	Datum		now = TimestampTzGetDatum(GetCurrentTimestamp());
	bool		null;

	check_transition(row, from, to);
	if (from == WORKSPACE_PENDING && to == WORKSPACE_APPROVED)
		trigger_row_set(row, "approved_at", now);
	if (to == WORKSPACE_SUSPENDED)
		trigger_row_set(row, "suspended_from", trigger_row_old_value(row, "state", &null));
	else
		trigger_row_set_null(row, "suspended_from");
	trigger_row_set(row, "state_changed_at", now);
	if (!trigger_row_differs(row, "state_reason"))
		trigger_row_set_null(row, "state_reason");
}

Datum
guards_workspaces_before(PG_FUNCTION_ARGS)
{
	static const char *const always[] = {"id", "created_at", "created_by"};
	static const char *const by_state[] = {"approved_at", "suspended_from", "state_changed_at"};
	TriggerRow	row;

	trigger_row_begin(fcinfo, &row);
	trigger_row_redact(&row, "name", ARGUMENT_MAX_NAME);
	trigger_row_redact(&row, "state_reason", ARGUMENT_MAX_TEXT);
	guards_check_meta(&row);
	require_known_state(&row);
	if (trigger_row_is_insert(&row))
		prepare_insert(&row);
	else
	{
		guards_require_unchanged(&row, lengthof(always), always);
		guards_require_unchanged(&row, lengthof(by_state), by_state);
		if (trigger_row_differs(&row, "state"))
			prepare_transition(&row);
	}
	return trigger_row_result(&row);
}

static void
make_key(const text *workspace, char kind, char mode)
{
	KeyDraft	draft;

	registration_init(&draft, workspace);
	(void) registration_create(&draft, apikey_generate(kind, mode), false);
}

/* What every workspace has by default: a public and a secret key of a mode */
static void
make_pair(const text *workspace, char mode)
{
	make_key(workspace, 'p', mode);
	make_key(workspace, 's', mode);
}

static void
record_transition(TriggerRow *row, const text *id)
{
	static const char *const events[] = {
		[WORKSPACE_APPROVED] = "workspace.approved",
		[WORKSPACE_SUSPENDED] = "workspace.suspended",
		[WORKSPACE_CLOSED] = "workspace.closed",
	};
	WorkspaceState from = state_in(row, true, "state");
	WorkspaceState to = state_in(row, false, "state");
	text	   *reason = trigger_row_text(row, "state_reason");

	EVENTS_RECORD(from == WORKSPACE_SUSPENDED && to != WORKSPACE_CLOSED ?
				  "workspace.resumed" : events[to],
				  id, NULL, {"reason", reason ? text_to_cstring(reason) : NULL});
	if (from == WORKSPACE_PENDING && to == WORKSPACE_APPROVED)
		make_pair(id, 'l');
	if (to == WORKSPACE_SUSPENDED || to == WORKSPACE_CLOSED)
		standby_commit_with_apply();
}

Datum
guards_workspaces_after(PG_FUNCTION_ARGS)
{
	TriggerRow	row;
	SpiOwner	spi;
	text	   *id;

	trigger_row_begin(fcinfo, &row);
	id = trigger_row_text(&row, "id");
	spi_owner_begin(&spi);
	if (trigger_row_is_insert(&row))
	{
		if (guards_take_new(id))
		{
			EVENTS_RECORD("workspace.created", id, NULL,
						  {"name", text_to_cstring(trigger_row_text(&row, "name"))});
			make_pair(id, 't');
		}
	}
	else
	{
		if (trigger_row_differs(&row, "state"))
			record_transition(&row, id);
		recording_workspace(&row);
	}
	spi_owner_end(&spi);
	return PointerGetDatum(NULL);
}

static bool
is_administrator(Datum role)
{
	return catalog_workspace_role(DatumGetObjectId(role)) == WORKSPACE_ADMINISTRATOR;
}

static void
require_known_role(TriggerRow *row)
{
	bool		null;
	Datum		role = trigger_row_value(row, "role", &null);

	if (!null && catalog_workspace_role(DatumGetObjectId(role)) == WORKSPACE_NO_ROLE)
		ARGUMENT_REFUSE("argument \"%s\" must be administrator, developer or member", "role");
}

/*
 * Locking the workspace's row makes two sessions that do this wait for each
 * other.  Locking the other administrators makes one with an old snapshot
 * fail.
 */
static void
require_another_administrator(const text *workspace, Datum member)
{
	SpiOwner	spi;
	uint64		others;

	spi_owner_begin(&spi);
	SPI_OWNER_RUN("SELECT FROM falukeys.workspaces WHERE id = $1 FOR NO KEY UPDATE",
				  parameter_text(workspace));
	others = SPI_OWNER_RUN("SELECT FROM falukeys.members AS other"
						   " WHERE workspace_id = $1 AND member <> $2 AND role = 'administrator'"
						   " AND EXISTS (SELECT FROM pg_roles WHERE pg_roles.oid = other.member)"
						   " FOR UPDATE",
						   parameter_text(workspace),
						   (Parameter) {REGROLEOID, member, false});
	spi_owner_end(&spi);
	if (others == 0)
		GUARDS_REFUSE("the last administrator of a workspace is neither removed nor demoted",
					  "Add another administrator first, with falukeys.add_member().");
}

Datum
guards_members_before(PG_FUNCTION_ARGS)
{
	static const char *const fixed[] = {"workspace_id", "member"};
	TriggerRow	row;
	bool		null;
	Datum		member;

	trigger_row_begin(fcinfo, &row);
	if (!trigger_row_is_delete(&row))
		require_known_role(&row);
	if (trigger_row_is_insert(&row))
	{
		member = trigger_row_value(&row, "member", &null);
		if (!null && !SearchSysCacheExists1(AUTHOID, member))
			ARGUMENT_REFUSE("argument \"%s\" must be an existing role", "member");
		return trigger_row_result(&row);
	}

	/* A member whose role has been dropped is no administrator any more. */
	member = trigger_row_old_value(&row, "member", &null);
	if (is_administrator(trigger_row_old_value(&row, "role", &null)) &&
		SearchSysCacheExists1(AUTHOID, member) &&
		(trigger_row_is_delete(&row) || !is_administrator(trigger_row_value(&row, "role", &null))))
		require_another_administrator(trigger_row_old_text(&row, "workspace_id"), member);
	if (trigger_row_is_update(&row))
		guards_require_unchanged(&row, lengthof(fixed), fixed);
	return trigger_row_result(&row);
}
