/*
 * standby.c
 *		What a standby knows of its primary, and a primary of its standbys.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "replication/message.h"
#include "replication/syncrep.h"
#include "replication/walreceiver.h"
#include "replication/walsender.h"
#include "storage/spin.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "standby.h"

int			standby_max_lag = 0;

/*
 * The time up to which this standby certainly has everything that its primary
 * committed.  It never goes back, so the latest answer is kept.
 */
static TimestampTz
known_until(void)
{
	static TimestampTz best = 0;
	XLogRecPtr	announced;
	TimestampTz heard;
	TimestampTz sent;

	SpinLockAcquire(&WalRcv->mutex);
	announced = WalRcv->latestWalEnd;
	heard = WalRcv->lastMsgReceiptTime;
	sent = WalRcv->lastMsgSendTime;
	SpinLockRelease(&WalRcv->mutex);

	/*
	 * A receiver that starts sets both times to now, before it has connected.
	 * In a message they differ, since one of them is the sender's.
	 */
	if (heard != sent)
	{
		/*
		 * What has not been replayed yet may have waited since the start of
		 * this chunk.
		 */
		if (GetXLogReplayRecPtr(NULL) < announced)
			heard = Min(heard, GetCurrentChunkReplayStartTime());
		best = Max(best, heard);
	}
	/* The last replayed commit has its own time. */
	best = Max(best, GetLatestXTime());
	return best;
}

bool
standby_is_stale(void)
{
	if (standby_max_lag == 0 || !RecoveryInProgress())
		return false;
	return TimestampDifferenceExceeds(known_until(), GetCurrentTimestamp(), standby_max_lag);
}

/* A standby knows the time from WAL, and an idle primary sends none. */
long
standby_heartbeat(void)
{
	static TimestampTz due = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (standby_max_lag == 0)
		return LONG_MAX;
	if (now >= due)
	{
		XLogFlush(compat_log_message("falukeys"));
		due = TimestampTzPlusMilliseconds(now, Max(standby_max_lag / 3, 1));
	}
	return Max(TimestampDifferenceMilliseconds(now, due), 1);
}

bool
standby_is_awaited(void)
{
	return SyncRepRequested() && SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0';
}

/* Like SET LOCAL.  Whoever chose something else than the default keeps it. */
void
standby_commit_with_apply(void)
{
	if (standby_is_awaited() && synchronous_commit == SYNCHRONOUS_COMMIT_ON)
		(void) set_config_option("synchronous_commit", "remote_apply", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}
