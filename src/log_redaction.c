/*
 * log_redaction.c
 *		Keys are masked where the server writes or shows what it was sent.
 *
 * Three places: what is about to be logged, what pg_stat_activity shows of this
 * session, and the text of statements as it is handed to other extensions,
 * pg_stat_statements above all.  All hooks are put in front of those that any
 * other preloaded library has, so that each of them gets masked text, whatever
 * the order in which the libraries are named.
 *
 * What is masked in place needs no memory and cannot fail.  The STATEMENT of a
 * log line is not ours to change; a copy takes its place.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "compat.h"
#include "key_mask.h"
#include "log_redaction.h"

bool		log_redaction = true;

static bool installed = false;

static shmem_startup_hook_type previous_shmem_startup = NULL;
static emit_log_hook_type previous_emit_log = NULL;
static post_parse_analyze_hook_type previous_post_parse_analyze = NULL;
static planner_hook_type previous_planner = NULL;
static ExecutorStart_hook_type previous_executor_start = NULL;
static ExecutorRun_hook_type previous_executor_run = NULL;
static ProcessUtility_hook_type previous_process_utility = NULL;

/* What stands in the log for a statement that could not be copied */
static const char withheld_statement[] = "<not shown: there was no memory to mask the keys in it>";

/* A masked copy of a statement, outside the contexts of memory, which an error may not use */
typedef struct MaskedStatement
{
	MemoryContextCallback callback;
	char		text[FLEXIBLE_ARRAY_MEMBER];
} MaskedStatement;

/* Masks by shortening; what was behind the new end is overwritten. */
static void
mask_field(char *field)
{
	size_t		length;
	size_t		masked;

	if (field == NULL)
		return;
	length = strlen(field);
	masked = key_mask_log_line(field, length);
	memset(field + masked, 0, length - masked);
}

/* Shown in pg_stat_activity, and by %a in the log.  It has what the client said who it is. */
static void
mask_application_name(void)
{
	if (application_name == NULL || strchr(application_name, '_') == NULL ||
		!key_mask_finds(application_name, strlen(application_name)))
		return;
	mask_field(application_name);
	pgstat_report_appname(application_name);
}

/*
 * What pg_stat_activity shows is masked where it stands, and stays what it is
 * otherwise; the name of the application too, which anyone may see.  Nothing has
 * been reported where the count is as it was last time.
 */
static void
mask_activity(void)
{
	static int	seen = 0;
	volatile PgBackendStatus *entry = MyBEEntry;
	char	   *activity;

	if (entry == NULL || entry->st_activity_raw == NULL || entry->st_changecount == seen)
		return;
	activity = entry->st_activity_raw;
	if (key_mask_finds(activity, strlen(activity)))
	{
		PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
		mask_field(activity);
		PGSTAT_END_WRITE_ACTIVITY(entry);
	}
	mask_application_name();
	seen = entry->st_changecount;
}

static void
release_statement(void *argument)
{
	MaskedStatement *statement = argument;

	if (debug_query_string == statement->text)
		debug_query_string = NULL;
	free(statement);
}

/*
 * The copy lives as long as what it stands for: as the message that brought the
 * statement, in a session.  Where there are no messages it is given back when
 * the next one is made.
 */
static MaskedStatement *
new_statement(const char *text, size_t length)
{
	static MaskedStatement *without_messages = NULL;
	MaskedStatement *statement = malloc(offsetof(MaskedStatement, text) + length + 1);

	if (statement == NULL)
		return NULL;
	memcpy(statement->text, text, length + 1);
	if (MessageContext != NULL)
	{
		statement->callback.func = release_statement;
		statement->callback.arg = statement;
		MemoryContextRegisterResetCallback(MessageContext, &statement->callback);
	}
	else
	{
		if (without_messages != NULL && debug_query_string != without_messages->text)
			free(without_messages);
		without_messages = statement;
	}
	return statement;
}

/*
 * The server logs debug_query_string as the STATEMENT.  It goes on with the
 * masked one, since nothing is called once the line is out.  "at character N"
 * still counts right where a key before it is masked by as many stars.
 */
static void
mask_statement(const ErrorData *edata)
{
	size_t		length;
	MaskedStatement *statement;

	if (edata->hide_stmt || debug_query_string == NULL)
		return;
	length = strlen(debug_query_string);
	if (!key_mask_finds(debug_query_string, length))
		return;
	statement = new_statement(debug_query_string, length);
	if (statement == NULL)
	{
		debug_query_string = withheld_statement;
		return;
	}
	if (edata->cursorpos > 0 && key_mask_finds(statement->text, Min(length, (size_t) edata->cursorpos)))
		key_mask_keep_length(statement->text, length);
	else
		mask_field(statement->text);
	debug_query_string = statement->text;
}

static void
mask_error(ErrorData *edata)
{
	mask_field(edata->message);
	mask_field(edata->detail);
	mask_field(edata->detail_log);
	mask_field(edata->hint);
	mask_field(edata->context);
	mask_field(edata->backtrace);
	if (edata->internalquery != NULL)
		key_mask_keep_length(edata->internalquery, strlen(edata->internalquery));
	mask_statement(edata);
}

static void
emit_log(ErrorData *edata)
{
	if (log_redaction)
	{
		mask_error(edata);
		mask_application_name();
		mask_activity();
	}
	if (previous_emit_log)
		previous_emit_log(edata);
}

/*
 * The text of a statement as others may keep it.  What they know about it by
 * number of characters stays right.
 */
static const char *
masked_source(const char *source)
{
	size_t		length;
	char	   *masked;

	if (source == NULL)
		return NULL;
	length = strlen(source);
	if (!key_mask_finds(source, length))
		return source;
	masked = MemoryContextAllocHuge(CurrentMemoryContext, length + 1);
	memcpy(masked, source, length + 1);
	key_mask_keep_length(masked, length);
	return masked;
}

static void
post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	if (log_redaction)
	{
		mask_activity();
		pstate->p_sourcetext = masked_source(pstate->p_sourcetext);
	}
	if (previous_post_parse_analyze)
		previous_post_parse_analyze(pstate, query, jstate);
}

static PlannedStmt *
plan(Query *query, const char *source, int options, ParamListInfo parameters)
{
	if (log_redaction)
		source = masked_source(source);
	if (previous_planner)
		return previous_planner(query, source, options, parameters);
	return standard_planner(query, source, options, parameters);
}

/* The context is the one in which the executor's own state is made. */
static void
executor_start(QueryDesc *query, int flags)
{
	if (log_redaction)
	{
		mask_activity();
		query->sourceText = masked_source(query->sourceText);
	}
	if (previous_executor_start)
		previous_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

/*
 * A statement that was prepared is reported anew each time that it is executed,
 * and one that runs may set the application's name.
 */
static void
executor_run(COMPAT_EXECUTOR_RUN_PARAMETERS)
{
	if (log_redaction)
		mask_activity();
	if (previous_executor_run)
		previous_executor_run(COMPAT_EXECUTOR_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(COMPAT_EXECUTOR_RUN_ARGUMENTS);
	if (log_redaction)
		mask_activity();
}

static void
process_utility(PlannedStmt *statement, const char *source, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo parameters,
				QueryEnvironment *environment, DestReceiver *destination,
				QueryCompletion *completion)
{
	ProcessUtility_hook_type next =
		previous_process_utility ? previous_process_utility : standard_ProcessUtility;

	if (log_redaction)
	{
		mask_activity();
		source = masked_source(source);
	}
	next(statement, source, read_only_tree, context, parameters, environment, destination, completion);
	if (log_redaction)
		mask_activity();
}

/* Of statements that nothing else is called for, such as one that is only a comment */
static void
end_transaction(XactEvent event, void *argument)
{
	if (log_redaction)
	{
		mask_activity();
		mask_application_name();
	}
}

/*
 * Called when all libraries have been loaded, and set their hooks; again, if
 * the server starts anew after a crash.
 */
static void
install(void)
{
	if (previous_shmem_startup)
		previous_shmem_startup();
	if (installed)
		return;
	installed = true;

	previous_emit_log = emit_log_hook;
	emit_log_hook = emit_log;
	previous_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = post_parse_analyze;
	previous_planner = planner_hook;
	planner_hook = plan;
	previous_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	previous_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	previous_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	RegisterXactCallback(end_transaction, NULL);
}

bool
log_redaction_is_installed(void)
{
	return installed;
}

void
log_redaction_request(void)
{
	previous_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = install;
}
