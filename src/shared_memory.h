/*
 * shared_memory.h
 *		Memory that all sessions share, from the server's start on.
 */
#ifndef FALUKEYS_SHARED_MEMORY_H
#define FALUKEYS_SHARED_MEMORY_H

#include "postgres.h"

typedef struct SharedMemory
{
	const char *name;			/* also of the locks */
	Size		(*size) (void);
	int			locks;			/* how many, for GetNamedLWLockTranche(name) */

	/* Called in each process; first: the memory is yet to be filled */
	void		(*attach) (void *memory, bool first);
} SharedMemory;

/* Asks for some, while the library is being preloaded. */
extern void shared_memory_request(const SharedMemory *wanted);

#endif							/* FALUKEYS_SHARED_MEMORY_H */
