/*
 * precedence.h
 *		What writers have locked, and who need not wait for them.
 */
#ifndef FALUKEYS_PRECEDENCE_H
#define FALUKEYS_PRECEDENCE_H

#include "postgres.h"

#include "access.h"

/* What is locked */
typedef enum PrecedenceRow
{
	PRECEDENCE_KEY,				/* a key, to change it */
	PRECEDENCE_KEY_AND_SECRET,	/* a key, to exchange its secret */
	PRECEDENCE_WORKSPACE,
	PRECEDENCE_ROWS				/* how many */
} PrecedenceRow;

/*
 * Called first, instead of store_lock_for_writing: locks the tables that a
 * stop writes.  Anyone who may name a table can hold this up.  Others are
 * terminated only for callers with the level that is needed to stop what is
 * not one's own.
 */
extern void precedence_lock_tables(const char *stop, AccessLevel level);

/*
 * Within a spi_owner_begin: locks a row until the transaction ends, and
 * returns whether it exists. stop is the name of the function, or NULL if it
 * stops nothing: a stop by the platform terminates the transactions of others
 * that hold it up.
 */
extern bool precedence_lock(PrecedenceRow row, const text *id, const char *stop);

/*
 * The same for a key that current_user may change, which was checked before.  One
 * that was purged since is refused like one that never existed.
 */
extern void precedence_lock_key(PrecedenceRow row, const text *key_id, const char *stop);

#endif							/* FALUKEYS_PRECEDENCE_H */
