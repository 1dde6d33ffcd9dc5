/*
 * health.c
 *		Whether all is well, item by item, and what to do where it is not.
 *
 * Each item is looked at in a subtransaction of its own, so that one which is
 * broken beyond what was thought of is reported and does not hide the others.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "access.h"
#include "arrays.h"
#include "binding.h"
#include "health_privileges.h"
#include "log_redaction.h"
#include "master_key.h"
#include "result.h"
#include "spi_owner.h"
#include "standby.h"
#include "store_reader.h"
#include "subscription.h"
#include "triggers.h"
#include "usage_counters.h"
#include "usage_places.h"

PG_FUNCTION_INFO_V1(health);

#define HEALTH_COLUMNS		3

#define PRELOAD \
	"Add falukeys to shared_preload_libraries, behind a comma where there are others, and restart the server."

typedef enum State
{
	STATE_OK,
	STATE_OFF,					/* not in use, which may be meant */
	STATE_WARNING,				/* someone should look */
	STATE_ERROR					/* something that is promised does not hold */
} State;

static const char *const state_words[] = {
	[STATE_OK] = "ok",
	[STATE_OFF] = "off",
	[STATE_WARNING] = "warning",
	[STATE_ERROR] = "error",
};

/* What was found of an item; hints may be NULL where all is well. */
typedef struct Finding
{
	State		state;
	char	   *hint;
} Finding;

static List *
found(List *findings, State state, const char *format, ...) pg_attribute_printf(3, 4);

static List *
found(List *findings, State state, const char *format, ...)
{
	Finding    *finding = palloc(sizeof(Finding));
	StringInfoData hint;
	va_list		arguments;
	int			needed;

	initStringInfo(&hint);
	do
	{
		va_start(arguments, format);
		needed = appendStringInfoVA(&hint, format, arguments);
		va_end(arguments);
		if (needed > 0)
			enlargeStringInfo(&hint, needed);
	} while (needed > 0);
	*finding = (Finding) {state, hint.data};
	return lappend(findings, finding);
}

/* Each row's first column is a hint. */
static List *
found_rows(List *findings, State state, const char *sql, int count, const Parameter *parameters)
{
	MemoryContext context = CurrentMemoryContext;
	SpiOwner	spi;
	uint64		rows;

	spi_owner_begin(&spi);
	/* To compile such a query takes longer than the query. */
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	rows = spi_owner_run(sql, count, parameters);
	for (uint64 i = 0; i < rows; i++)
	{
		MemoryContext spi_context = MemoryContextSwitchTo(context);

		findings = found(findings, state, "%s",
						 SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
		MemoryContextSwitchTo(spi_context);
	}
	spi_owner_end(&spi);
	return findings;
}

#define FOUND_ROWS(findings, state, sql, ...) \
	found_rows(findings, state, sql, lengthof(((const Parameter[]) {__VA_ARGS__})), \
			   (const Parameter[]) {__VA_ARGS__})

static bool
is_preloaded(void)
{
	return usage_counters_exist();
}

static List *
look_at_preloading(void)
{
	return is_preloaded() ? NIL : found(NIL, STATE_OFF, PRELOAD);
}

/* ---- The master key ---- */

/*
 * The seals that are closed, of secrets that keys have still; for the bytes see
 * seal.h
 */
#define CLOSED_SEALS \
	" FROM falukeys.sealed_secrets AS s JOIN falukeys.keys AS k ON k.secret OPERATOR(falukeys.=) s.secret" \
	" WHERE get_byte(s.seal, 0) = 1 AND get_byte(s.seal, 1) = 1" \
	" AND k.revoked_at IS NULL AND k.compromised_at IS NULL"

static Datum
bytea_of(const void *bytes, int length)
{
	bytea	   *value = palloc(VARHDRSZ + length);

	SET_VARSIZE(value, VARHDRSZ + length);
	memcpy(VARDATA(value), bytes, length);
	return PointerGetDatum(value);
}

static Parameter
fingerprints_of(const MasterKeys *keys)
{
	List	   *fingerprints = NIL;

	for (int i = 0; i < keys->count; i++)
		fingerprints = lappend(fingerprints,
							   DatumGetPointer(bytea_of(keys->keys[i].fingerprint, MASTER_KEY_FINGERPRINT_LENGTH)));
	return (Parameter) {BYTEAARRAYOID, PointerGetDatum(arrays_of_list(fingerprints, BYTEAOID)), false};
}

static bool
is_in_data_directory(void)
{
	char		path[MAXPGPATH];

	if (!master_key_is_in_file())
		return false;
	if (!is_absolute_path(master_key_file))
		return strncmp(master_key_file, "..", 2) != 0;
	strlcpy(path, master_key_file, MAXPGPATH);
	canonicalize_path(path);
	return path_is_prefix_of_path(DataDir, path);
}

static List *
look_at_seals(const MasterKeys *keys)
{
	Binding		here = {0};
	Binding		nowhere = {0};
	List	   *findings;

	findings = FOUND_ROWS(NIL, STATE_ERROR,
						  "SELECT format('%s live secrets are sealed under a master key that is not there any more: add its line to the others; if it is lost, roll their keys.', count(*))"
						  CLOSED_SEALS " AND k.mode = 'live' AND substr(s.seal, 3, 8) <> ALL ($1) HAVING count(*) > 0",
						  fingerprints_of(keys));
	findings = FOUND_ROWS(findings, STATE_WARNING,
						  "SELECT format('%s test secrets are sealed under a master key that is not there any more: add its line to the others; if it is lost, roll their keys when someone asks to see them.', count(*))"
						  CLOSED_SEALS " AND k.mode = 'test' AND substr(s.seal, 3, 8) <> ALL ($1) HAVING count(*) > 0",
						  fingerprints_of(keys));
	(void) binding_here(&here);
	return FOUND_ROWS(findings, STATE_WARNING,
					  "SELECT format('%s live secrets were sealed in another database, or in this one before a restore: once that copy is gone, run SELECT falukeys.adopt_sealed_secrets(); or else roll their keys.', count(*))"
					  CLOSED_SEALS " AND substr(s.seal, 11, 12) NOT IN ($1, $2) HAVING count(*) > 0",
					  {BYTEAOID, bytea_of(&here, sizeof(Binding)), false},
					  {BYTEAOID, bytea_of(&nowhere, sizeof(Binding)), false});
}

static List *
look_at_master_key(void)
{
	MasterKeys	keys;
	List	   *findings;

	if (!master_key_load(&keys))
	{
		findings = FOUND_ROWS(NIL, STATE_ERROR,
							  "SELECT format('%s secrets are sealed, and the master key file does not exist: put it back, mode 0600; if it is lost, write another key into it, as openssl rand -hex 32 prints one, and roll their keys.', count(*))"
							  CLOSED_SEALS " AND $1 HAVING count(*) > 0", parameter_boolean(true));
		return findings;
	}
	findings = look_at_seals(&keys);
	master_key_cleanse(&keys);
	if (is_in_data_directory())
		findings = found(findings, STATE_WARNING,
						 "The master key is in the data directory, and so in every base backup, beside what it protects: move it, and set falukeys.master_key_file or falukeys.master_key_command.");
	return findings;
}

/* ---- Settings ---- */

static List *
look_at_log_redaction(void)
{
	if (!log_redaction_is_installed())
		return found(NIL, STATE_OFF, PRELOAD " Until then keep log_statement at none, and send keys as bind parameters with log_parameter_max_length_on_error at 0.");
	if (!log_redaction)
		return found(NIL, STATE_WARNING, "Set falukeys.redact_logs = on.");
	return NIL;
}

static List *
look_at_usage(void)
{
	List	   *findings = NIL;

	if (!is_preloaded())
		return found(NIL, STATE_OFF, PRELOAD " Until then nothing is counted, and attention takes every key for unused that is 90 days old.");
	if (!usage_track)
		findings = found(findings, STATE_OFF, "Set falukeys.track_usage = on.");
	if (usage_lost() > 0)
		findings = found(findings, STATE_WARNING,
						 UINT64_FORMAT " verifications are not in the usage of their keys, for want of memory: raise falukeys.max_tracked_keys, which is %d, and restart the server.",
						 usage_lost(), usage_max_keys);
	if (usage_places_are_wanted())
		findings = found(findings, STATE_WARNING,
						 "There is no room for a worker for each database: raise max_worker_processes, which is %d, and restart the server.",
						 max_worker_processes);
	return findings;
}

static List *
look_at_limits(void)
{
	return found(NIL, STATE_OFF, "This version has no limits and no quotas.");
}

/* ---- Copies ---- */

static List *
look_at_primary(void)
{
	if (standby_max_lag == 0)
		return found(NIL, STATE_OFF, "If standbys of this server verify keys, set falukeys.max_standby_lag here and there.");
	if (!is_preloaded())
		return found(NIL, STATE_WARNING, PRELOAD " Until then nothing sends the heartbeat by which standbys know that they are up to date.");
	return NIL;
}

static List *
look_at_standby(void)
{
	int64		ahead;
	int64		age = (GetCurrentTimestamp() - standby_replayed_until()) / 1000;
	const char *seen = standby_replayed_until() == 0 ? "No commit was replayed since the start" :
		psprintf("The last commit that was replayed is " INT64_FORMAT " ms old", age);
	bool		clock_known = standby_clock_ahead(&ahead);

	if (!RecoveryInProgress())
		return look_at_primary();
	if (standby_is_stale())
		return found(NIL, STATE_ERROR,
					 "%s, and verification answers stale_standby: look at pg_stat_wal_receiver, and whether the primary is there, has falukeys preloaded and the same falukeys.max_standby_lag, and its clock agrees.",
					 seen);
	if (clock_known)
		seen = psprintf("%s, and the clock of the server that it came from is " INT64_FORMAT " ms ahead", seen, ahead / 1000);
	if (standby_max_lag == 0)
		return found(NIL, STATE_WARNING,
					 "%s: set falukeys.max_standby_lag, or keys that were revoked stay valid here for as long as this standby is behind.",
					 seen);
	if (clock_known && Max(ahead, -ahead) / 1000 > standby_heartbeat_interval())
		return found(NIL, STATE_WARNING, "%s: have both clocks set by NTP, or raise falukeys.max_standby_lag.", seen);
	return found(NIL, STATE_OK, "%s.", seen);
}

static bool
is_stale_by_subscription(void)
{
	StoreReader reader;
	bool		stale;

	store_reader_begin(&reader);
	stale = subscription_is_stale(&reader);
	store_reader_end(&reader);
	return stale;
}

static List *
left_behind(void)
{
	if (!subscription_was_here())
		return NIL;
	return found(NIL, STATE_ERROR, "The subscription by which keys arrived is gone, and verification answers stale_standby: subscribe again, or call falukeys.publish_keys() to manage keys here from now on.");
}

static List *
look_at_subscription(void)
{
	List	   *findings;

	findings = FOUND_ROWS(left_behind(), STATE_ERROR,
						  "SELECT format('Table %s does not arrive yet, or not any more: look at pg_stat_subscription and the log, and run ALTER SUBSCRIPTION %I ENABLE.', r.srrelid::regclass, s.subname)"
						  " FROM pg_subscription_rel AS r JOIN pg_subscription AS s ON s.oid = r.srsubid"
						  " JOIN pg_class AS c ON c.oid = r.srrelid"
						  " WHERE c.relnamespace = $1::regnamespace AND (NOT s.subenabled OR r.srsubstate <> 'r')"
						  " UNION ALL SELECT format('Table %s was not copied, so it is not known to be as it is where it comes from: drop subscription %I, empty the tables, and subscribe again without copy_data = false.', r.srrelid::regclass, s.subname)"
						  " FROM pg_subscription_rel AS r JOIN pg_subscription AS s ON s.oid = r.srsubid"
						  " JOIN pg_class AS c ON c.oid = r.srrelid"
						  " WHERE c.relnamespace = $1::regnamespace AND r.srsubstate = 'r' AND r.srsublsn IS NULL ORDER BY 1",
						  parameter_string(CATALOG_SCHEMA));
	if (!subscription_is_here())
		return findings;
	if (is_stale_by_subscription())
		findings = found(findings, STATE_ERROR,
						 "Verification answers stale_standby: look at pg_stat_subscription, and whether the other database is there, has falukeys preloaded and the same falukeys.max_standby_lag, and its clock agrees.");
	else if (standby_max_lag == 0)
		findings = found(findings, STATE_WARNING,
						 "Set falukeys.max_standby_lag, here and on the other server, or keys that were revoked stay valid here for as long as the subscription is behind.");
	return FOUND_ROWS(findings, STATE_OK,
					  "SELECT format('The last heartbeat that arrived is %s ms old.', floor(1000 * extract(epoch FROM clock_timestamp() - at)))"
					  " FROM falukeys.heartbeat WHERE $1", parameter_boolean(findings == NIL));
}

/* ---- What the tables hold ---- */

static List *
look_at_unrevealed(void)
{
	return FOUND_ROWS(NIL, STATE_WARNING,
					  "SELECT format('%s live secrets wait for their reveal for more than 7 days: see SELECT * FROM falukeys.attention WHERE reason = ''unrevealed''.', count(*))"
					  " FROM falukeys_internal.every_attention WHERE reason = $1 HAVING count(*) > 0",
					  parameter_string("unrevealed"));
}

static List *
look_at_triggers(void)
{
	List	   *findings = NIL;
	ListCell   *cell;

	foreach(cell, triggers_hints())
		findings = found(findings, STATE_ERROR, "%s", (const char *) lfirst(cell));
	return findings;
}

static List *
look_at_privileges(void)
{
	Parameter	levels[HEALTH_PRIVILEGES_LEVELS];

	health_privileges_levels(levels);
	return found_rows(NIL, STATE_ERROR, health_privileges_query, lengthof(levels), levels);
}

static List *
look_at_default_privileges(void)
{
	return found_rows(NIL, STATE_WARNING, health_default_privileges_query, 0, NULL);
}

static List *
look_at_invariants(void)
{
	return found_rows(NIL, STATE_ERROR,
					  "SELECT format('%s does not hold for %s of them: see SELECT id FROM falukeys.broken_invariants() WHERE invariant = %L.', invariant, count(DISTINCT id), invariant)"
					  " FROM falukeys_internal.every_broken_invariant GROUP BY invariant ORDER BY invariant COLLATE \"C\"",
					  0, NULL);
}

static const struct
{
	const char *name;
	List	   *(*look) (void);
}			items[] = {
	{"preloading", look_at_preloading},
	{"master key", look_at_master_key},
	{"log redaction", look_at_log_redaction},
	{"usage tracking", look_at_usage},
	{"limits", look_at_limits},
	{"standby", look_at_standby},
	{"subscription", look_at_subscription},
	{"unrevealed secrets", look_at_unrevealed},
	{"guard triggers", look_at_triggers},
	{"privileges", look_at_privileges},
	{"default privileges", look_at_default_privileges},
	{"invariants", look_at_invariants},
};

/* Called in PG_CATCH: what went wrong, unless someone wants us to stop. */
static List *
found_error(MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	return found(NIL, STATE_ERROR, "Looking at it failed: %s.%s%s", error->message,
				 error->hint == NULL ? "" : " ", error->hint == NULL ? "" : error->hint);
}

static List *
look(int item)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	List	   *volatile findings = NIL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		findings = items[item].look();
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		findings = found_error(context);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return findings;
}

static void
report(ReturnSetInfo *rows, const char *item, const Finding *finding)
{
	Datum		values[HEALTH_COLUMNS] = {
		CStringGetTextDatum(item), CStringGetTextDatum(state_words[finding->state]), 0
	};
	bool		nulls[HEALTH_COLUMNS] = {false, false, finding->hint == NULL};

	if (finding->hint != NULL)
		values[2] = CStringGetTextDatum(finding->hint);
	tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
}

Datum
health(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		invariants = PG_ARGISNULL(0) || PG_GETARG_BOOL(0);
	const Finding well = {STATE_OK, NULL};

	access_level_check("health", ACCESS_OPERATOR, ACCESS_OPERATOR);
	access_check_platform("health");
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < lengthof(items); i++)
	{
		List	   *findings;
		ListCell   *cell;

		if (items[i].look == look_at_invariants && !invariants)
			continue;
		findings = look(i);
		if (findings == NIL)
			report(rows, items[i].name, &well);
		foreach(cell, findings)
			report(rows, items[i].name, lfirst(cell));
	}
	return (Datum) 0;
}
