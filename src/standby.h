/*
 * standby.h
 *		What a standby knows of its primary, and a primary of its standbys.
 */
#ifndef FALUKEYS_STANDBY_H
#define FALUKEYS_STANDBY_H

#include "postgres.h"

/* Setting, in milliseconds; 0: off */
extern int	standby_max_lag;

/* Is this a standby that may be further behind its primary than allowed? */
extern bool standby_is_stale(void);

/*
 * Called in the background on a primary: if it is time, writes what tells
 * standbys that they miss nothing.  Returns in how many milliseconds to call
 * again.
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
