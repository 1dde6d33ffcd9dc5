/*
 * holders.c
 *		Which running transactions act by a key, for who waits for them.
 *
 * Where the library is preloaded each session has a place in shared memory, in
 * which it notes one secret; who waits looks at all places.  A lock would cost
 * many times as much, at each request.  There is one on a second secret of a
 * transaction, on that of a prepared transaction, and where there is no place.
 *
 * A secret is noted before it is verified, and who waits has committed before
 * he looks.  So he finds a transaction that was authorised before a revocation,
 * or it sees the revocation.
 *
 * For a temporary key the secret that made it is noted too, once it is known:
 * who waits for that one does not find a temporary key that has been purged.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/resowner.h"

#include "holders.h"
#include "lock_tag.h"
#include "shared_memory.h"

/* In a note: to the end of the transaction.  Without it, a verification is running. */
#define STAYS		UINT64CONST(1)

/* How often, 0.1 ms apart, the end of a verification is looked for */
#define PATIENCE	100

/* Only its session writes it. */
typedef struct Holder
{
	pg_atomic_uint64 secret;	/* the first bytes of its digest, and STAYS; 0: none */
	pg_atomic_uint64 parent;	/* of the secret that made it, likewise */
	Oid			database;
	VirtualTransactionId transaction;
} Holder;

/* In a cache line of its own */
typedef union HolderPlace
{
	Holder		holder;
	char		padding[PG_CACHE_LINE_SIZE];
} HolderPlace;

static HolderPlace *places = NULL;

/* What this session has noted; kept: to the end of the transaction */
static Holder *mine = NULL;
static ApiKey noted;
static ApiKey noted_parent;
static bool kept = false;
static bool kept_parent = false;

static uint64
note_of(const ApiKey *secret)
{
	uint64		note;

	memcpy(&note, secret->digest, sizeof(note));
	note &= ~STAYS;
	return note == 0 ? ~STAYS : note;
}

static Holder *
own_place(void)
{
	ptrdiff_t	number = MyProc - ProcGlobal->allProcs;

	return places == NULL || number >= MaxBackends ? NULL : &places[number].holder;
}

/* False where a lock is needed */
static bool
make_note(const ApiKey *secret)
{
	if (kept)
		return memcmp(noted.digest, secret->digest, CRYPTO_DIGEST_LENGTH) == 0;
	mine = own_place();
	if (mine == NULL)
		return false;
	mine->database = MyDatabaseId;
	GET_VXID_FROM_PGPROC(mine->transaction, *MyProc);
	pg_write_barrier();
	pg_atomic_write_u64(&mine->secret, note_of(secret));
	noted = *secret;
	/* The snapshot of the verification is taken after this can be seen. */
	pg_memory_barrier();
	return true;
}

static void
drop_note(void)
{
	if (mine != NULL)
	{
		if (kept_parent)
			pg_atomic_write_u64(&mine->parent, 0);
		pg_atomic_write_u64(&mine->secret, 0);
	}
	mine = NULL;
	kept = false;
	kept_parent = false;
}

/* Half of the digest is enough, since a tag has room for less. */
static void
set_lock_tag(LOCKTAG *tag, const ApiKey *secret)
{
	lock_tag_of_value(tag, LOCK_IDENTITY, secret->digest, CRYPTO_DIGEST_LENGTH / 2);
}

/* A cursor opened by the key outlives its savepoint's rollback, and so must the lock. */
static void
keep_lock(const LOCKTAG *tag)
{
	ResourceOwner owner = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	(void) LockAcquire(tag, ShareLock, false, false);
	CurrentResourceOwner = owner;
}

static void
keep_lock_on(const ApiKey *secret)
{
	LOCKTAG		tag;

	set_lock_tag(&tag, secret);
	keep_lock(&tag);
}

void
holders_enter(const ApiKey *secret, Holding *holding)
{
	holding->locked = !make_note(secret);
	if (!holding->locked)
		return;
	set_lock_tag(&holding->tag, secret);
	(void) LockAcquire(&holding->tag, ShareLock, false, false);
}

void
holders_stay(const Holding *holding, const ApiKey *parent)
{
	if (holding->locked)
	{
		keep_lock(&holding->tag);
		if (parent != NULL)
			keep_lock_on(parent);
		return;
	}
	if (!kept)
		pg_atomic_write_u64(&mine->secret, note_of(&noted) | STAYS);
	kept = true;
	if (parent != NULL)
	{
		kept_parent = true;
		noted_parent = *parent;
		pg_atomic_write_u64(&mine->parent, note_of(parent));
	}
}

void
holders_leave(const Holding *holding)
{
	if (holding->locked)
		(void) LockRelease(&holding->tag, ShareLock, false);
	else if (!kept)
		drop_note();
}

void
holders_end_transaction(XactEvent event)
{
	if (event == XACT_EVENT_PRE_PREPARE && kept)
	{
		keep_lock_on(&noted);
		if (kept_parent)
			keep_lock_on(&noted_parent);
	}
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		drop_note();
}

/* An error may have come while the key was being verified. */
void
holders_abort_subtransaction(void)
{
	if (!kept)
		drop_note();
}

typedef enum Noted
{
	NOT_NOTED,
	NOTED_FOR_NOW,
	NOTED_TO_STAY
} Noted;

static Noted
look_for_note(Holder *holder, uint64 note)
{
	uint64		secret = pg_atomic_read_u64(&holder->secret);

	if (secret == (note | STAYS) || pg_atomic_read_u64(&holder->parent) == note)
		return NOTED_TO_STAY;
	return secret == note ? NOTED_FOR_NOW : NOT_NOTED;
}

/*
 * The note is read before and after: between, it was of this transaction.  Where
 * it was of a later one too, that has begun after the waiter did, and he waits
 * for either or none.
 */
static Noted
find_transaction(Holder *holder, uint64 note, VirtualTransactionId *transaction)
{
	if (look_for_note(holder, note) == NOT_NOTED || holder->database != MyDatabaseId)
		return NOT_NOTED;
	pg_read_barrier();
	*transaction = holder->transaction;
	pg_read_barrier();
	return look_for_note(holder, note);
}

/*
 * A verification that is refused ends sooner than its transaction.  Where one
 * lasts, it may wait for what the waiter has locked, and a deadlock is noticed
 * only by the lock manager.
 */
static void
wait_for_note(Holder *holder, uint64 note)
{
	VirtualTransactionId transaction;
	Noted		noted_how = find_transaction(holder, note, &transaction);

	for (int i = 0; i < PATIENCE && noted_how == NOTED_FOR_NOW; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(100);
		noted_how = find_transaction(holder, note, &transaction);
	}
	if (noted_how != NOT_NOTED)
		(void) VirtualXactLock(transaction, true);
}

/* As with notes.  In the moment for which it is had, others only wait a moment. */
static void
wait_for_lock(const LOCKTAG *tag)
{
	for (int i = 0; i < PATIENCE; i++)
	{
		if (LockAcquire(tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
		{
			(void) LockRelease(tag, ExclusiveLock, false);
			return;
		}
		CHECK_FOR_INTERRUPTS();
		pg_usleep(100);
	}
	WaitForLockers(*tag, ExclusiveLock, false);
}

/* A transaction that is being prepared has its lock before its note goes. */
void
holders_wait(const ApiKey *secret)
{
	uint64		note = note_of(secret);
	LOCKTAG		tag;

	pg_memory_barrier();
	for (int i = 0; places != NULL && i < MaxBackends; i++)
	{
		if (&places[i].holder != own_place())
			wait_for_note(&places[i].holder, note);
	}
	set_lock_tag(&tag, secret);
	wait_for_lock(&tag);
}

static Size
memory_size(void)
{
	return mul_size(MaxBackends, sizeof(HolderPlace));
}

static void
attach(void *memory, bool first)
{
	places = memory;
	if (!first)
		return;
	memset(places, 0, memory_size());
	for (int i = 0; i < MaxBackends; i++)
	{
		pg_atomic_init_u64(&places[i].holder.secret, 0);
		pg_atomic_init_u64(&places[i].holder.parent, 0);
	}
}

void
holders_request(void)
{
	static const SharedMemory wanted = {"falukeys holders", memory_size, 0, attach};

	shared_memory_request(&wanted);
}
