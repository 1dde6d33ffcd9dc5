/*
 * usage_places.h
 *		Which databases have, or are to have, a worker that flushes their counts.
 */
#ifndef FALUKEYS_USAGE_PLACES_H
#define FALUKEYS_USAGE_PLACES_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* Setting, in milliseconds */
extern int	usage_flush_interval;

/* Asks for memory, while the library is being preloaded. */
extern void usage_places_request(void);

/* In a transaction: does someone do what no connection to the database may meet? */
extern bool usage_places_database_is_wanted(Oid database);

/* Are there databases without a worker, for want of room? */
extern bool usage_places_are_wanted(void);

/* For the launcher: from now on it is woken when a database needs a worker. */
extern void usage_places_set_launcher(void);

/*
 * For the launcher: gives the databases places, as far as there are any left;
 * false where one has none.
 */
extern bool usage_places_give(const List *databases);

/*
 * For the launcher: the place of the one of these databases that has no worker
 * and waits for the longest time, and when one may be started there; -1 for none.
 */
extern int	usage_places_next(const List *databases, Oid *database, TimestampTz *may_start_at);

/* For the launcher: a worker for it has been started; the database is gone; some wait. */
extern void usage_places_started(int place);
extern void usage_places_free(int place);
extern void usage_places_set_wanted(bool wanted);

/* For a worker: its place, from usage_place_take until it ends */
typedef struct UsagePlace UsagePlace;

/*
 * The database that it was started for, which is its own until it ends.  NULL
 * where someone else serves that already.
 */
extern UsagePlace *usage_place_take(int number, Oid *database);

/* It works, and another one is started at once if it ends. */
extern void usage_place_works(UsagePlace *place);

/* It is about to end, and its database needs none any more. */
extern void usage_place_leave(UsagePlace *place);

/* It is about to end, since it has nothing to do; that is looked at again after some seconds. */
extern void usage_place_rest(UsagePlace *place);

#endif							/* FALUKEYS_USAGE_PLACES_H */
