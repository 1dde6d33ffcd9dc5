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
 * The time up to which this standby surely knows what its primary committed.
 * Knowledge only grows, so the best answer so far stands.
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
	 * A receiver that starts claims to have heard and been sent something just
	 * then, before it has connected.  A message has its sender's time.
	 */
	if (heard != sent)
	{
		/* Else what waits to be replayed began to wait when replay took it up. */
		if (GetXLogReplayRecPtr(NULL) < announced)
			heard = Min(heard, GetCurrentChunkReplayStartTime());
		best = Max(best, heard);
	}
	/* The last commit that was replayed tells the time itself. */
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

/* An idle primary sends no WAL, which is what a standby hears the time with. */
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

/* As SET LOCAL does: whoever chose something else than the default keeps it. */
void
standby_commit_with_apply(void)
{
	if (standby_is_awaited() && synchronous_commit == SYNCHRONOUS_COMMIT_ON)
		(void) set_config_option("synchronous_commit", "remote_apply", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}
