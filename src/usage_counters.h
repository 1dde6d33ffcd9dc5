/*
 * usage_counters.h
 *		How often keys are used, counted in shared memory.
 */
#ifndef FALUKEYS_USAGE_COUNTERS_H
#define FALUKEYS_USAGE_COUNTERS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/inet.h"
#include "utils/snapshot.h"

#include "identifier.h"

/* Settings */
extern bool usage_track;
extern int	usage_max_keys;

/* An address without its netmask; family 0: none */
typedef struct UsageClient
{
	unsigned char family;
	unsigned char address[16];
} UsageClient;

/* What was counted of a key; times are 0 where there was none. */
typedef struct UsageCounts
{
	Identifier	key_id;
	UsageClient last_client;
	UsageClient last_retired_client;
	uint64		uses;
	uint64		denials;
	TimestampTz last_used_at;
	TimestampTz last_retired_at;
} UsageCounts;

/* Their shared memory, which usage_file asks for: see shared_memory.h */
#define USAGE_MEMORY	"falukeys usage"
#define USAGE_LOCKS		128
extern Size usage_counters_size(void);
extern void usage_counters_attach(void *memory, bool first);

/* Is there that memory? */
extern bool usage_counters_exist(void);

/*
 * Counts one verification of a key of this database: valid or not, by its
 * secret or by a retired one.
 */
extern void usage_count(const Identifier *key_id, bool valid, bool retired,
						TimestampTz at, const inet *client);

/* What memory holds of a key beyond what the snapshot sees in key_usage */
extern bool usage_counters_of(const Identifier *key_id, Snapshot snapshot, UsageCounts *counts);

extern Datum usage_client_datum(const UsageClient *client);

/*
 * Moving counts of this database to key_usage.  usage_take hands out up to
 * `maximum` of them, from *position on, which starts at 0 and which it moves;
 * from then on they are part of the running transaction.  Once that has ended,
 * usage_settle forgets those with `written` set, and keeps the others.
 */
typedef struct UsageTaken
{
	UsageCounts counts;
	uint32		place;
	bool		written;
} UsageTaken;

extern int	usage_take(UsageTaken *taken, int maximum, uint32 *position, TransactionId transaction);
extern void usage_settle(const UsageTaken *taken, int count);

/* Lets verifications that wait for room try again. */
extern void usage_made_room(void);

/* The databases that something was counted in, each once: a list of OIDs */
extern List *usage_databases(void);
extern bool usage_has_counts(Oid database);

/*
 * Forgets what was counted in a database that has no keys any more, of keys
 * that were last seen before that time.
 */
extern void usage_discard(Oid database, TimestampTz seen_before);

/* A key that does not exist so long after its use will not be committed any more. */
#define USAGE_UNKNOWN_KEPT	USECS_PER_HOUR

/*
 * While the server starts or stops: returns the next counts from *position on,
 * which starts at 0; puts counts back.
 */
extern bool usage_export(uint32 *position, Oid *database, UsageCounts *counts);
extern void usage_import(Oid database, const UsageCounts *counts);

/* Counts that were lost for want of room, since the server started */
extern uint64 usage_lost(void);

/* Called when a key gets a counter; crowded: counts should be moved soon. */
extern void (*usage_new_counter_hook) (bool crowded);

#endif							/* FALUKEYS_USAGE_COUNTERS_H */
