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
 * First, in place of store_lock_for_writing: locks the tables that a stop writes,
 * which anyone can hold up who may name them.  The level is what one needs for
 * the stop of what is not one's own: before that is asked for, no one is ended.
 */
extern void precedence_lock_tables(const char *stop, AccessLevel level);

/*
 * Within a spi_owner_begin: locks a row until the transaction ends, and answers
 * whether it is there.  A stop is called by its function's name, NULL for all
 * else: one by the platform ends the transactions of others that hold it up.
 */
extern bool precedence_lock(PrecedenceRow row, const text *id, const char *stop);

#endif							/* FALUKEYS_PRECEDENCE_H */
