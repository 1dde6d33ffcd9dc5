/*
 * hints.c
 *		Where the rows of keys stood when they were last read.
 *
 * A hint saves the probe of an index, and nothing depends on it: whoever
 * follows one reads the row anew through a fresh snapshot, and looks whether it
 * is the one that is sought.  So hints are written and read without any lock,
 * may be torn or lost at any time, and serve every database alike.
 *
 * Where the library is preloaded all sessions share them.  Else each has a few.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/shmem.h"

#include "hints.h"
#include "shared_memory.h"

#define CACHE_LINE		64
#define SET_SIZE		4		/* hints in a cache line */
#define LOCAL_SETS		256		/* a power of 2 */

#define ROW_LINES		4		/* cache lines of a row of keys, most often */

#if defined(__GNUC__) || defined(__clang__)
#define prefetch(address)	__builtin_prefetch(address)
#else
#define prefetch(address)	((void) (address))
#endif

typedef struct KeyHint
{
	uint32		fingerprint;
	RowHint		row;
} KeyHint;

StaticAssertDecl(SET_SIZE * sizeof(KeyHint) == CACHE_LINE, "a set of hints fills a cache line");

typedef struct HintSet
{
	KeyHint		hints[SET_SIZE];
} HintSet;

static HintSet local_sets[LOCAL_SETS];

static HintSet *sets = local_sets;
static uint32 mask = LOCAL_SETS - 1;

static uint32 shared_sets;

/*
 * Different bytes of the digest choose the set, identify the key in it, and
 * choose which hint is replaced.
 */
static HintSet *
set_of(const ApiKey *secret)
{
	uint32		place;

	memcpy(&place, secret->digest, sizeof(place));
	return &sets[place & mask];
}

static uint32
fingerprint_of(const ApiKey *secret)
{
	uint32		fingerprint;

	memcpy(&fingerprint, secret->digest + sizeof(uint32), sizeof(fingerprint));
	return fingerprint;
}

void
hints_prefetch(const ApiKey *secret)
{
	prefetch(set_of(secret));
}

/*
 * Among millions of keys each of these is a miss of the processor's caches;
 * they are waited for together, rather than one after the other.
 */
static void
prefetch_row(const RowHint *row)
{
	const char *page = BufferGetBlock(row->buffer);

	prefetch(GetBufferDescriptor(row->buffer - 1));
	prefetch(page);
	prefetch(PageGetItemId((Page) page, ItemPointerGetOffsetNumberNoCheck(&row->tid)));
	for (int i = 0; i < ROW_LINES; i++)
		prefetch(page + row->offset + i * CACHE_LINE);
}

bool
hints_find(const ApiKey *secret, RowHint *row)
{
	const HintSet *set = set_of(secret);
	uint32		fingerprint = fingerprint_of(secret);

	for (int i = 0; i < SET_SIZE; i++)
	{
		if (set->hints[i].fingerprint != fingerprint)
			continue;
		*row = set->hints[i].row;
		if (!BufferIsValid(row->buffer))
			continue;
		prefetch_row(row);
		return true;
	}
	return false;
}

void
hints_remember(const ApiKey *secret, const RowHint *row)
{
	HintSet    *set = set_of(secret);
	uint32		fingerprint = fingerprint_of(secret);
	KeyHint    *hint = &set->hints[secret->digest[2 * sizeof(uint32)] % SET_SIZE];

	for (int i = 0; i < SET_SIZE; i++)
	{
		if (set->hints[i].fingerprint == fingerprint || !BufferIsValid(set->hints[i].row.buffer))
		{
			hint = &set->hints[i];
			break;
		}
	}
	hint->row = *row;
	hint->fingerprint = fingerprint;
}

static Size
memory_size(void)
{
	return mul_size(shared_sets, sizeof(HintSet));
}

static void
attach(void *memory, bool first)
{
	sets = memory;
	mask = shared_sets - 1;
	if (first)
		memset(sets, 0, memory_size());
}

void
hints_request(int keys)
{
	static const SharedMemory wanted = {"falukeys hints", memory_size, 0, attach};

	/* Twice as many places as keys, since keys do not spread evenly. */
	shared_sets = pg_nextpower2_32(Max(2 * (uint32) keys / SET_SIZE, LOCAL_SETS));
	shared_memory_request(&wanted);
}
