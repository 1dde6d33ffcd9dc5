/*
 * publication.h
 *		Publishing keys to other databases, and telling those how old they are.
 */
#ifndef FALUKEYS_PUBLICATION_H
#define FALUKEYS_PUBLICATION_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * The databases of this server that have subscribers, to whatever, while there is
 * a limit: a list of OIDs
 */
extern List *publication_databases(void);

/* Has this one? */
extern bool publication_is_here(void);

/*
 * Called in the background, outside of a transaction, where keys may be
 * published: if it is time, writes what tells subscribers that they miss
 * nothing.  Returns in how many milliseconds to call again.
 */
extern long publication_beat(void);

#endif							/* FALUKEYS_PUBLICATION_H */
