/*
 * usage_launcher.h
 *		Starts the workers that move what was counted in memory to key_usage.
 */
#ifndef FALUKEYS_USAGE_LAUNCHER_H
#define FALUKEYS_USAGE_LAUNCHER_H

#include "postgres.h"

/* Setting, in milliseconds */
extern int	usage_flush_interval;

/* Asks for memory and for the launcher, while the library is being preloaded. */
extern void usage_launcher_request(void);

/* A worker ends on SIGTERM by ShutdownRequestPending, and on SIGHUP reads the settings. */
extern void usage_worker_set_up_signals(void);

/* Sleeps; answers whether someone woke it. */
extern bool usage_worker_wait(long milliseconds);

/*
 * The database that a worker was started for, which is its own until it ends.
 * False where someone else serves it already.
 */
extern bool usage_place_take(int place, Oid *database);

/* The worker works, and is started again at once if it ends. */
extern void usage_place_works(void);

/* It is about to end, and its database needs none any more. */
extern void usage_place_leave(void);

/* In a transaction: does someone do what no connection to the database may meet? */
extern bool usage_database_is_wanted(Oid database);

/* Are there databases without a worker, for want of room? */
extern bool usage_place_is_wanted(void);

#endif							/* FALUKEYS_USAGE_LAUNCHER_H */
