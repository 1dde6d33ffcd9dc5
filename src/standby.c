/*
 * standby.c
 *		What a standby knows of its primary, and a primary of its standbys.
 *
 * Ground floor: calls nothing of ours.
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

#include "standby.h"

int			standby_max_lag = 0;

/*
 * The time up to which this standby surely knows what its primary committed.
 * With all that the primary announced replayed, that is when it was last heard;
 * else when what is waiting to be replayed began to wait.
 */
static TimestampTz
known_until(void)
{
	XLogRecPtr	replayed = GetXLogReplayRecPtr(NULL);
	XLogRecPtr	announced;
	TimestampTz heard;
	TimestampTz waiting_since;

	SpinLockAcquire(&WalRcv->mutex);
	announced = WalRcv->latestWalEnd;
	heard = WalRcv->lastMsgReceiptTime;
	SpinLockRelease(&WalRcv->mutex);

	/* From an archive, only the commits themselves tell the time. */
	if (heard == 0)
		return GetLatestXTime();
	if (replayed >= announced)
		return heard;
	waiting_since = GetCurrentChunkReplayStartTime();
	return waiting_since == 0 ? GetLatestXTime() : Min(waiting_since, heard);
}

bool
standby_is_stale(void)
{
	if (standby_max_lag == 0 || !RecoveryInProgress())
		return false;
	return TimestampDifferenceExceeds(known_until(), GetCurrentTimestamp(), standby_max_lag);
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
