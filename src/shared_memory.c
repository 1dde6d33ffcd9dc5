/*
 * shared_memory.c
 *		Memory that all sessions share, from the server's start on.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "shared_memory.h"

#define MAX_REQUESTS	5

static const SharedMemory *requests[MAX_REQUESTS];
static int	request_count = 0;

static shmem_request_hook_type previous_shmem_request_hook = NULL;
static shmem_startup_hook_type previous_shmem_startup_hook = NULL;

static void
request_all(void)
{
	if (previous_shmem_request_hook)
		previous_shmem_request_hook();
	for (int i = 0; i < request_count; i++)
	{
		RequestAddinShmemSpace(requests[i]->size());
		if (requests[i]->locks > 0)
			RequestNamedLWLockTranche(requests[i]->name, requests[i]->locks);
	}
}

static void
attach_all(void)
{
	if (previous_shmem_startup_hook)
		previous_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < request_count; i++)
	{
		bool		found;
		void	   *memory = ShmemInitStruct(requests[i]->name, requests[i]->size(), &found);

		requests[i]->attach(memory, !found);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
shared_memory_request(const SharedMemory *wanted)
{
	Assert(process_shared_preload_libraries_in_progress && request_count < MAX_REQUESTS);

	if (request_count == 0)
	{
		previous_shmem_request_hook = shmem_request_hook;
		shmem_request_hook = request_all;
		previous_shmem_startup_hook = shmem_startup_hook;
		shmem_startup_hook = attach_all;
	}
	requests[request_count++] = wanted;
}
