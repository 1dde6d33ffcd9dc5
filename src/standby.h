/*
 * standby.h
 *		What a standby knows of its primary, and a primary of its standbys.
 */
#ifndef FALUKEYS_STANDBY_H
#define FALUKEYS_STANDBY_H

#include "postgres.h"

/* Setting, in milliseconds; 0: off */
extern int	standby_max_lag;

/* Is this a standby that may be further behind its primary than it is allowed to be? */
extern bool standby_is_stale(void);

/*
 * On a primary, called in the background: writes what tells standbys that they
 * miss nothing, if it is time.  Answers when to call again, in milliseconds.
 */
extern long standby_heartbeat(void);

/* Are there synchronous standbys to wait for? */
extern bool standby_is_awaited(void);

/*
 * For what takes something away: the running transaction, once committed, holds
 * on synchronous standbys too.
 */
extern void standby_commit_with_apply(void);

#endif							/* FALUKEYS_STANDBY_H */
