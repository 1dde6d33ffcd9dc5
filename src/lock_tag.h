/*
 * lock_tag.h
 *		Tags of locks that no SQL advisory call can take.
 */
#ifndef FALUKEYS_LOCK_TAG_H
#define FALUKEYS_LOCK_TAG_H

#include "postgres.h"

#include "storage/lock.h"

/*
 * What is locked. pg_locks shows the number as objsubid; SQL's advisory locks
 * have 1 or 2 there.
 */
typedef enum LockPurpose
{
	LOCK_IDENTITY = 0xFA,		/* a secret that transactions act by */
	LOCK_MASTER_KEY,			/* the file of master keys, one for the server */
	LOCK_BINDING,				/* the making of a database's token */
	LOCK_EVENT_NUMBER,			/* the number of the next event */
	LOCK_GATE					/* the way to a row that a stop waits for */
} LockPurpose;

/* One for this database, and one for all databases of the server */
extern void lock_tag_of_database(LOCKTAG *tag, LockPurpose purpose);
extern void lock_tag_of_server(LOCKTAG *tag, LockPurpose purpose);

/* One for a value in this database.  The tag does not reveal the value. */
extern void lock_tag_of_value(LOCKTAG *tag, LockPurpose purpose, const void *value, size_t length);

#endif							/* FALUKEYS_LOCK_TAG_H */
