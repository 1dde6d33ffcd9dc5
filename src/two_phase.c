/*
 * two_phase.c
 *		What keeps a transaction from being prepared for two-phase commit.
 *
 * A prepared transaction has no process that could be ended, so one that could
 * be in the way of a stop is not prepared at all.  And the server prepares none
 * that notifies: said here first, with what to do.
 */
#include "postgres.h"

#include "access/xact.h"

#include "two_phase.h"

static bool holds_rows = false;

/* The outermost level of subtransactions that has announced something, or 0 */
static int	announced_level = 0;

static void
refuse(void)
{
	if (holds_rows)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a transaction that changed a key or a workspace cannot be prepared"),
				 errdetail("It would hold up whoever has to stop the key or the workspace."),
				 errhint("Commit it, or prepare it as a superuser, an operator or a manager, with \"%s\" off.",
						 "falukeys.notify")));
	if (announced_level > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a transaction that announces events cannot be prepared"),
				 errdetail("PostgreSQL prepares no transaction that notifies."),
				 errhint("Run SET LOCAL falukeys.notify = off before the transaction changes anything.")));
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_PREPARE)
		refuse();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		holds_rows = false;
		announced_level = 0;
	}
}

/* What a subtransaction announced is its parent's, or gone with it. */
static void
at_subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (announced_level < level)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		announced_level = 0;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		announced_level = level - 1;
}

static void
listen_for_end(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
	registered = true;
}

void
two_phase_note_holding(void)
{
	listen_for_end();
	holds_rows = true;
}

void
two_phase_note_announced(void)
{
	int			level = GetCurrentTransactionNestLevel();

	listen_for_end();
	if (announced_level == 0 || level < announced_level)
		announced_level = level;
}
