/*
 * events.c
 *		The append-only record of what was done to workspaces and keys.
 *
 * An event stands or falls with the transaction that it tells of, and is
 * announced at its commit.
 *
 * Events are numbered without a sequence, which whoever may write to it could
 * set to its end.  The lock that orders who takes a number is not kept until
 * the end of a transaction, so none waits for another's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "argument.h"
#include "catalog.h"
#include "events.h"
#include "lock_tag.h"
#include "spi_owner.h"
#include "store.h"
#include "texts.h"
#include "two_phase.h"

#define EVENTS_CHANNEL	"falukeys"

#define EVENTS_MAX_GIVEN	(INT64CONST(1) << 52)	/* half of what there is */
#define EVENTS_MAX_GAP		(INT64CONST(1) << 32)

char	   *events_acting_for = NULL;
bool		events_notify = true;

/*
 * The table is locked first, since whoever waits for that lock must not hold
 * up the numbering of others.  A row that another session has inserted counts
 * at once, committed or not.
 */
int64
events_take_number(void)
{
	LOCKTAG		tag;

	LockRelationOid(catalog_relation(CATALOG_EVENTS), RowExclusiveLock);
	lock_tag_of_database(&tag, LOCK_EVENT_NUMBER);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	return store_last_event() + 1;
}

/* The trigger may have released it already. */
void
events_release_number(void)
{
	LOCKTAG		tag;

	lock_tag_of_database(&tag, LOCK_EVENT_NUMBER);
	while (compat_lock_is_held(&tag, ExclusiveLock))
	{
		if (!LockRelease(&tag, ExclusiveLock, false))
			break;
	}
}

/*
 * A number given by hand must leave enough numbers for all future events.  The
 * numbers of a restore are close to each other, wherever they start.
 */
bool
events_may_have(int64 id)
{
	LOCKTAG		tag;

	lock_tag_of_database(&tag, LOCK_EVENT_NUMBER);
	return id < EVENTS_MAX_GIVEN || compat_lock_is_held(&tag, ExclusiveLock) ||
		id - store_last_event() < EVENTS_MAX_GAP;
}

static Parameter
detail_parameter(int details, const EventDetail *detail)
{
	StringInfoData json;
	bool		empty = true;

	initStringInfo(&json);
	for (int i = 0; i < details; i++)
	{
		if (detail[i].value == NULL)
			continue;
		appendStringInfoString(&json, empty ? "{" : ", ");
		escape_json(&json, detail[i].name);
		appendStringInfoString(&json, ": ");
		escape_json(&json, texts_valid(detail[i].value));
		empty = false;
	}
	if (empty)
		return (Parameter) {JSONBOID, (Datum) 0, true};

	appendStringInfoChar(&json, '}');
	return (Parameter) {JSONBOID,
		DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)), false};
}

/*
 * Anyone can fill the server's queue of notifications, and then commits that
 * notify fail.  The event itself must not fail for that.
 */
static void
announce(int64 id)
{
	if (!events_notify)
		return;
	if (DatumGetFloat8(DirectFunctionCall1(pg_notification_queue_usage, (Datum) 0)) > 0.5)
	{
		ereport(WARNING,
				(errmsg("the event is recorded, but not announced on channel \"%s\"", EVENTS_CHANNEL),
				 errdetail("The notification queue is more than half full."),
				 errhint("End the transaction of the session that listens and has been idle the longest.")));
		return;
	}
	Async_Notify(EVENTS_CHANNEL, psprintf("{\"id\": " INT64_FORMAT "}", id));
	two_phase_note_announced();
}

void
events_record(const char *event, const text *workspace, const text *key,
			  int details, const EventDetail *detail)
{
	text	   *acting_for = NULL;
	int64		id;

	if (events_acting_for != NULL && events_acting_for[0] != '\0')
	{
		const char *valid = texts_valid(events_acting_for);

		acting_for = texts_cut(valid, strlen(valid), ARGUMENT_MAX_TEXT);
	}

	id = events_take_number();
	SPI_OWNER_RUN("INSERT INTO falukeys.events"
				  " (id, event, actor, session_actor, acting_for, workspace_id, key_id, detail)"
				  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
				  (Parameter) {INT8OID, Int64GetDatum(id), false},
				  parameter_string(event),
				  parameter_name(texts_role_name(spi_owner_actor())),
				  parameter_name(texts_role_name(GetSessionUserId())),
				  parameter_text(acting_for),
				  parameter_text(workspace),
				  parameter_text(key),
				  detail_parameter(details, detail));
	events_release_number();

	announce(id);
}
