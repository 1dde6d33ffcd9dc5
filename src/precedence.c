/*
 * precedence.c
 *		What writers have locked, and who need not wait for them.
 *
 * Whoever changes a key or a workspace first locks its row here, and holds it
 * until the transaction ends: for as long as its owner likes.  So a stop by the
 * platform waits for no more than HOLD_UP_LIMIT, and then ends the transactions
 * that hold it up, as a standby's recovery does: those of sessions whose role
 * has fewer rights.  For all others it waits as anyone does.
 *
 * Anyone who may name a table can also lock it, or queue for a lock, since the
 * server does so before it asks for privileges.  So the same holds for the locks
 * of tables.
 *
 * A stop that is held up closes a gate, by a lock on the row's id: whoever of
 * fewer rights comes after it waits there, so there is an end to those who
 * hold the row.
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "access.h"
#include "lock_tag.h"
#include "precedence.h"
#include "spi_owner.h"
#include "store.h"
#include "two_phase.h"

#define HOLD_UP_LIMIT		2000	/* ms; doc/operations.md names it */
#define PAUSE				20		/* ms */

/* In order of rights */
typedef enum Rank
{
	RANK_TENANT,
	RANK_VERIFIER,
	RANK_PLATFORM,
	RANK_SUPERUSER
} Rank;

/* A lock that is being asked for */
typedef struct Claim
{
	PrecedenceRow row;
	const text *id;
	const char *stop;
	Rank		rank;
	bool		patient;		/* no one is ended yet */
	LOCKTAG		gate;
	TimestampTz since;
	List	   *ended;			/* processes that were told to end */
} Claim;

/* Who is in the way */
typedef struct Holders
{
	bool		ours;			/* this transaction is one of them */
	bool		lesser;			/* so is one that has been told to end */
	TransactionId other;		/* one that may hold us up, or invalid */
	ItemPointerData tid;
} Holders;

static const struct
{
	CatalogRelation table;
	CatalogRelation index;
	int			compatible;		/* the strongest MultiXactStatus that is not in the way, or -1 */
	const char *wait;
	const char *try;
}			rows[PRECEDENCE_ROWS] = {
	[PRECEDENCE_KEY] = {CATALOG_KEYS, CATALOG_KEYS_BY_ID, MultiXactStatusForKeyShare,
		"SELECT FROM falukeys.keys WHERE id = $1 FOR NO KEY UPDATE",
	"SELECT FROM falukeys.keys WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED"},
	[PRECEDENCE_KEY_AND_SECRET] = {CATALOG_KEYS, CATALOG_KEYS_BY_ID, -1,
		"SELECT FROM falukeys.keys WHERE id = $1 FOR UPDATE",
	"SELECT FROM falukeys.keys WHERE id = $1 FOR UPDATE SKIP LOCKED"},
	[PRECEDENCE_WORKSPACE] = {CATALOG_WORKSPACES, CATALOG_WORKSPACES_BY_ID, MultiXactStatusForKeyShare,
		"SELECT FROM falukeys.workspaces WHERE id = $1 FOR NO KEY UPDATE",
	"SELECT FROM falukeys.workspaces WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED"},
};

/* A background process without a role has all rights. */
static Rank
rank_of(Oid role)
{
	if (!OidIsValid(role) || superuser_arg(role))
		return RANK_SUPERUSER;
	if (access_level_is_platform(role))
		return RANK_PLATFORM;
	return access_level_has(role, ACCESS_VERIFIER) ? RANK_VERIFIER : RANK_TENANT;
}

/* By whoever could be terminated for it */
static void
note_holding(void)
{
	if (rank_of(MyProc->roleId) < RANK_PLATFORM)
		two_phase_note_holding();
}

/* Terminates each process only once, since it may need a moment to roll back. */
static void
end_transaction_of(Claim *claim, int pid, Oid role)
{
	if (list_member_int(claim->ended, pid))
		return;
	claim->ended = lappend_int(claim->ended, pid);
	ereport(LOG,
			(errmsg("terminating process %d of role \"%s\", which holds up falukeys.%s()",
					pid, GetUserNameFromId(role, true) ? GetUserNameFromId(role, true) : "?",
					claim->stop),
			 errdetail("Its transaction has locked what role \"%s\" is to stop.",
					   GetUserNameFromId(spi_owner_actor(), false))));
#ifdef HAVE_SETSID
	(void) kill(-pid, SIGTERM);
#else
	(void) kill(pid, SIGTERM);
#endif
}

/*
 * What counts is the role that the session logged in as, since it cannot
 * choose another one.
 */
static void
add_holder(Claim *claim, Holders *holders, TransactionId xid)
{
	int			pid;
	PGPROC	   *process;
	Oid			role;

	if (TransactionIdIsCurrentTransactionId(xid))
		holders->ours = true;
	if (TransactionIdIsCurrentTransactionId(xid) || !TransactionIdIsInProgress(xid))
		return;
	xid = SubTransGetTopmostTransaction(xid);
	pid = BackendXidGetPid(xid);
	process = pid == 0 ? NULL : BackendPidGetProc(pid);
	role = process == NULL ? InvalidOid : process->roleId;
	if (!claim->patient && rank_of(role) < claim->rank)
	{
		holders->lesser = true;
		end_transaction_of(claim, pid, role);
	}
	else
		holders->other = xid;
}

static MultiXactStatus
lock_in(uint16 infomask)
{
	if (!HEAP_XMAX_IS_LOCKED_ONLY(infomask))
		return MultiXactStatusUpdate;
	if (HEAP_XMAX_IS_KEYSHR_LOCKED(infomask))
		return MultiXactStatusForKeyShare;
	return MultiXactStatusForUpdate;
}

static void
look_at_holders(Claim *claim, TransactionId xmax, uint16 infomask, Holders *holders)
{
	const int	compatible = rows[claim->row].compatible;
	MultiXactMember *members;
	int			count;

	if ((infomask & HEAP_XMAX_INVALID) || !TransactionIdIsValid(xmax))
		return;
	if (!(infomask & HEAP_XMAX_IS_MULTI))
	{
		if ((int) lock_in(infomask) > compatible)
			add_holder(claim, holders, xmax);
		return;
	}
	count = GetMultiXactIdMembers(xmax, &members, HEAP_LOCKED_UPGRADED(infomask),
								  HEAP_XMAX_IS_LOCKED_ONLY(infomask));
	for (int i = 0; i < count; i++)
	{
		if ((int) members[i].status > compatible)
			add_holder(claim, holders, members[i].xid);
	}
}

/* False where the row is not there */
static bool
find_holders(Claim *claim, Holders *holders)
{
	StoreReader reader;
	StoreScan	scan;
	TransactionId xmax;
	uint16		infomask;
	bool		found;

	memset(holders, 0, sizeof(Holders));
	store_reader_begin(&reader);
	store_scan_begin(&scan, &reader, rows[claim->row].table, rows[claim->row].index,
					 AccessShareLock, PointerGetDatum(claim->id));
	found = store_scan_next(&scan);
	if (found)
	{
		holders->tid = scan.slot->tts_tid;
		xmax = store_scan_xmax(&scan, &infomask);
	}
	store_scan_end(&scan);
	store_reader_end(&reader);
	if (found)
		look_at_holders(claim, xmax, infomask, holders);
	return found;
}

static void
pause_briefly(const Claim *claim)
{
	if (LockTimeout > 0 &&
		TimestampDifferenceExceeds(claim->since, GetCurrentTimestamp(), LockTimeout))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("canceling statement due to lock timeout")));
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, PAUSE,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static bool
try_lock(const Claim *claim)
{
	return SPI_OWNER_RUN(rows[claim->row].try, parameter_text(claim->id)) > 0;
}

/* Waits in the lock manager, so that deadlocks are detected */
static void
wait_for_other(const Claim *claim, Holders *holders)
{
	Relation	table = RelationIdGetRelation(catalog_relation(rows[claim->row].table));

	XactLockTableWait(holders->other, table, &holders->tid, XLTW_Lock);
	RelationClose(table);
}

/* Opened before we wait, so that nobody with more rights waits for us there. */
static void
open_gate(const Claim *claim, bool *closed)
{
	if (*closed)
		(void) LockRelease(&claim->gate, ExclusiveLock, false);
	*closed = false;
}

static bool
lock_first(Claim *claim)
{
	Holders		holders;
	bool		found = true;
	bool		closed = false;
	bool		locked = false;
	int			unheld = 0;		/* how often a row that our snapshot does not see was held by nobody */

	claim->since = GetCurrentTimestamp();
	while (found && !(locked = try_lock(claim)))
	{
		/* If another stop has closed the gate, that is enough. */
		closed = closed ||
			LockAcquire(&claim->gate, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
		claim->patient = !TimestampDifferenceExceeds(claim->since, GetCurrentTimestamp(),
													 HOLD_UP_LIMIT);
		found = find_holders(claim, &holders);
		if (found && IsolationUsesXactSnapshot() && !holders.lesser &&
			!TransactionIdIsValid(holders.other) && ++unheld > 1)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update"),
					 errhint("Call falukeys.%s() in a READ COMMITTED transaction.", claim->stop)));
		if (!claim->patient && !holders.lesser && TransactionIdIsValid(holders.other))
		{
			open_gate(claim, &closed);
			wait_for_other(claim, &holders);
		}
		else if (found)
			pause_briefly(claim);
	}
	open_gate(claim, &closed);
	return locked;
}

/* Waits for a stop that waits for the row, unless it waits for us. */
static void
pass_gate(Claim *claim)
{
	Holders		holders;

	if (LockAcquire(&claim->gate, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
	{
		if (!find_holders(claim, &holders) || holders.ours)
			return;
		(void) LockAcquire(&claim->gate, ShareLock, false, false);
	}
	(void) LockRelease(&claim->gate, ShareLock, false);
}

/* The modes that conflict with ROW EXCLUSIVE, whether held or waited for */
#define IN_THE_WAY \
	(LOCKBIT_ON(ShareLock) | LOCKBIT_ON(ShareRowExclusiveLock) | \
	 LOCKBIT_ON(ExclusiveLock) | LOCKBIT_ON(AccessExclusiveLock))

/* Returns whether there is someone who has been terminated. */
static bool
end_lesser_on(Claim *claim, Oid table)
{
	LockData   *locks = GetLockStatusData();
	bool		lesser = false;

	for (int i = 0; i < locks->nelements; i++)
	{
		const LockInstanceData *lock = &locks->locks[i];
		PGPROC	   *process;

		if (lock->locktag.locktag_type != LOCKTAG_RELATION ||
			lock->locktag.locktag_field1 != MyDatabaseId || lock->locktag.locktag_field2 != table ||
			!((lock->holdMask | LOCKBIT_ON(lock->waitLockMode)) & IN_THE_WAY))
			continue;
		process = lock->pid == MyProcPid ? NULL : BackendPidGetProc(lock->pid);
		if (process != NULL && rank_of(process->roleId) < claim->rank)
		{
			lesser = true;
			end_transaction_of(claim, lock->pid, process->roleId);
		}
	}
	pfree(locks->locks);
	pfree(locks);
	return lesser;
}

static void
lock_table_first(Oid table, void *context)
{
	Claim	   *claim = context;

	while (!ConditionalLockRelationOid(table, RowExclusiveLock))
	{
		if (TimestampDifferenceExceeds(claim->since, GetCurrentTimestamp(), HOLD_UP_LIMIT) &&
			!end_lesser_on(claim, table))
		{
			/* Waits in the lock manager, so that deadlocks are detected */
			LockRelationOid(table, RowExclusiveLock);
			return;
		}
		pause_briefly(claim);
	}
}

void
precedence_lock_tables(const char *stop, AccessLevel level)
{
	Claim		claim = {.stop = stop,.rank = rank_of(spi_owner_actor()),.since = GetCurrentTimestamp()};

	if (claim.rank < (level == ACCESS_VERIFIER ? RANK_VERIFIER : RANK_PLATFORM))
		store_lock_for_writing();
	else
		store_lock_for_writing_by(lock_table_first, &claim);
}

bool
precedence_lock(PrecedenceRow row, const text *id, const char *stop)
{
	Claim		claim = {.row = row,.id = id,.stop = stop,.rank = RANK_TENANT};

	note_holding();
	lock_tag_of_value(&claim.gate, LOCK_GATE, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));
	if (stop != NULL)
	{
		claim.rank = rank_of(spi_owner_actor());
		if (claim.rank > RANK_TENANT)
			return lock_first(&claim);
	}
	if (rank_of(MyProc->roleId) == RANK_TENANT)
		pass_gate(&claim);
	return SPI_OWNER_RUN(rows[row].wait, parameter_text(id)) > 0;
}

void
precedence_lock_key(PrecedenceRow row, const text *key_id, const char *stop)
{
	KeyFacts	facts;

	if (precedence_lock(row, key_id, stop))
		return;
	/*
	 * The snapshot of the transaction sees nothing of a table that was
	 * rewritten after it was taken.
	 */
	if (IsolationUsesXactSnapshot() && store_read_key(key_id, &facts))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
	access_deny_key(key_id);
}
