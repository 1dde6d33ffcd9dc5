/*
 * standby.c
 *		What a standby knows of its primary, and a primary of its standbys.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "replication/syncrep.h"
#include "replication/walreceiver.h"
#include "replication/walsender.h"
#include "storage/spin.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "standby.h"

int			standby_max_lag = 0;

TimestampTz
standby_replayed_until(void)
{
	return GetLatestXTime();
}

/*
 * What a receiver was told, and when, proves nothing: a message may come from a
 * standby in between, or may have waited in a buffer.  Nor does a time that is
 * yet to come.
 */
bool
standby_is_stale(void)
{
	TimestampTz until;
	TimestampTz now;

	if (standby_max_lag == 0 || !RecoveryInProgress())
		return false;
	until = standby_replayed_until();
	now = GetCurrentTimestamp();
	return TimestampDifferenceExceeds(until, now, standby_max_lag) ||
		TimestampDifferenceExceeds(now, until, standby_max_lag);
}

bool
standby_clock_ahead(int64 *microseconds)
{
	bool		streaming;
	TimestampTz sent;
	TimestampTz received;

	SpinLockAcquire(&WalRcv->mutex);
	streaming = WalRcv->walRcvState == WALRCV_STREAMING;
	sent = WalRcv->lastMsgSendTime;
	received = WalRcv->lastMsgReceiptTime;
	SpinLockRelease(&WalRcv->mutex);

	/* A receiver that starts sets both to its own time. */
	if (!RecoveryInProgress() || !streaming || sent == received)
		return false;
	*microseconds = sent - received;
	return true;
}

long
standby_heartbeat_interval(void)
{
	return Max(standby_max_lag / 3, 1);
}

/*
 * A commit, since that is what standbys know the time from.  It waits for none
 * of them: one that is gone must not keep the others from it.
 */
static void
send_heartbeat(void)
{
	StartTransactionCommand();
	(void) set_config_option("synchronous_commit", "local", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	(void) GetTopTransactionId();
	CommitTransactionCommand();
	/* A commit of nothing is flushed later otherwise. */
	XLogFlush(XactLastCommitEnd);
}

long
standby_heartbeat(void)
{
	static TimestampTz sent = 0;
	TimestampTz now = GetCurrentTimestamp();
	long		interval = standby_heartbeat_interval();

	if (standby_max_lag == 0)
		return LONG_MAX;
	/* A promotion is to be noticed as soon as the next one is due. */
	if (RecoveryInProgress())
		return interval;
	/* A clock that was set back must not silence it. */
	if (now < sent || TimestampDifferenceExceeds(sent, now, interval))
	{
		send_heartbeat();
		sent = now;
	}
	return Max(interval - TimestampDifferenceMilliseconds(sent, now), 1);
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
