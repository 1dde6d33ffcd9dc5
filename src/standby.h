/*
 * standby.h
 *		What a standby knows of its primary, and a primary of its standbys.
 */
#ifndef FALUKEYS_STANDBY_H
#define FALUKEYS_STANDBY_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Setting, in milliseconds; 0: off */
extern int	standby_max_lag;

/* Is this a standby that may be further behind its primary than allowed? */
extern bool standby_is_stale(void);

/*
 * When the primary made the last commit that this standby has replayed, by the
 * primary's clock: what was acknowledged before is here.  0, which is long ago: none
 * since the start
 */
extern TimestampTz standby_replayed_until(void);

/*
 * By how much the clock of the server that this standby streams from is ahead,
 * less the time that a message is under way; false where that cannot be known
 */
extern bool standby_clock_ahead(int64 *microseconds);

/* How often heartbeats are due while there is a limit, in milliseconds */
extern long standby_heartbeat_interval(void);

/*
 * Called in the background: if it is time, and this is a primary, commits what
 * tells standbys that they miss nothing.  Returns in how many milliseconds to
 * call again.
 */
extern long standby_heartbeat(void);

/* Are there synchronous standbys to wait for? */
extern bool standby_is_awaited(void);

/*
 * For changes that take something away: the commit waits until synchronous
 * standbys have applied it.
 */
extern void standby_commit_with_apply(void);

#endif							/* FALUKEYS_STANDBY_H */
