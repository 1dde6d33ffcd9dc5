/*
 * falukeys.c
 *		The module: its settings, and what it needs from the server's start on.
 *
 * It points the rooms below to what is set, and does nothing else.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "acting_in.h"
#include "compat.h"
#include "events.h"
#include "hints.h"
#include "holders.h"
#include "log_redaction.h"
#include "master_key.h"
#include "request.h"
#include "standby.h"
#include "usage_counters.h"
#include "usage_file.h"
#include "usage_launcher.h"
#include "usage_places.h"

COMPAT_MODULE_MAGIC("falukeys", FALUKEYS_VERSION);

void		_PG_init(void);

void
_PG_init(void)
{
	bool		preloading = process_shared_preload_libraries_in_progress;

	DefineCustomStringVariable("falukeys.master_key_file",
							   "File with the key under which secrets are sealed.",
							   "Relative to the data directory; made at first need.",
							   &master_key_file, "falukeys.key",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("falukeys.master_key_command",
							   "Command whose output is the key under which secrets are sealed.",
							   "Where it is set, there is no file.",
							   &master_key_command, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("falukeys.acting_for",
							   "For whom the client acts, as it is to stand in events.",
							   "An application's own user, say. Nothing is decided by it.",
							   &events_acting_for, "",
							   PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("falukeys.acting_in",
							   "The only workspace that functions change and views show.",
							   "Empty: whatever the role may. What is no id of a workspace leaves none.",
							   &acting_in, "",
							   PGC_USERSET, 0, acting_in_check, NULL, NULL);
	acting_in_is_defined();
	DefineCustomBoolVariable("falukeys.notify",
							 "Announces each event at commit on the channel falukeys.",
							 "Off, a transaction that changes keys can be prepared for two-phase commit.",
							 &events_notify, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("falukeys.max_standby_lag",
							"How far a standby may be behind its primary and still verify keys.",
							"Beyond it, and when cut off for longer, it answers stale_standby. 0: however far.",
							&standby_max_lag, 0, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("falukeys.trusted_proxies",
							"How many proxies in front of the server append to X-Forwarded-For.",
							"The client is counted from the right by it. 0: the client is not known.",
							&request_trusted_proxies, 0, 0, 100,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("falukeys.track_usage",
							 "Counts how often each key is used.",
							 "Only where the library is preloaded.",
							 &usage_track, true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("falukeys.usage_flush_interval",
							"How often counts are written to falukeys.key_usage.",
							NULL,
							&usage_flush_interval, 10000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("falukeys.max_tracked_keys",
							"Of how many keys counts, and where their rows stand, are held in memory.",
							"Beyond it, those least recently used make room.",
							&usage_max_keys, 65536, 1, 1 << 28,
							preloading ? PGC_POSTMASTER : PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("falukeys.redact_logs",
							 "Masks keys in the server's log and in what is shown of running statements.",
							 "Only where the library is preloaded.",
							 &log_redaction, true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("falukeys");

	if (preloading)
	{
		log_redaction_request();
		hints_request(usage_max_keys);
		holders_request();
		usage_file_request();
		usage_launcher_request();
	}
}
