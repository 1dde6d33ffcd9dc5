/*
 * spi_owner.c
 *		SPI as the owner of our tables.
 *
 * A caller has no privilege on our tables: after access has decided by its
 * role, the statements run as the tables' owner, as those of foreign keys do,
 * and under a search_path that no one else fills.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "compat.h"
#include "spi_owner.h"
#include "triggers.h"

/*
 * The calls of spi_owner_begin without their spi_owner_end.  They are in
 * memory of the transaction, since after an error their frames are gone.
 */
typedef struct RunningSpi
{
	struct RunningSpi *outer;
	Oid			actor;			/* who called us: current_user at the call */
	int			nest_level;		/* of the subtransaction that began it */
} RunningSpi;

static RunningSpi *innermost = NULL;

static void
forget_innermost(void)
{
	RunningSpi *forgotten = innermost;

	innermost = forgotten->outer;
	pfree(forgotten);
}

/* Forgets what began in the subtransaction. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (innermost != NULL && innermost->nest_level >= GetCurrentTransactionNestLevel())
		forget_innermost();
}

static void
end_transaction(XactEvent event, void *arg)
{
	/* The memory is freed with the transaction's. */
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		innermost = NULL;
}

static RunningSpi *
remember_running(Oid actor)
{
	static bool registered = false;
	RunningSpi *running = MemoryContextAlloc(TopTransactionContext, sizeof(RunningSpi));

	if (!registered)
	{
		RegisterSubXactCallback(end_subtransaction, NULL);
		RegisterXactCallback(end_transaction, NULL);
		registered = true;
	}
	running->outer = innermost;
	running->actor = actor;
	running->nest_level = GetCurrentTransactionNestLevel();
	innermost = running;
	return running;
}

Oid
spi_owner_of_tables(void)
{
	Oid			table = catalog_relation(CATALOG_KEYS);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
begin(SpiOwner *spi, Oid role, int security_context)
{
	Oid			caller;

	GetUserIdAndSecContext(&caller, &spi->security_context);
	spi->guc_nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SetUserIdAndSecContext(role, spi->security_context | security_context);
	SPI_connect();
	spi->running = remember_running(caller);
}

void
spi_owner_begin(SpiOwner *spi)
{
	triggers_check();
	begin(spi, spi_owner_of_tables(), SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	spi->keeps_settings = true;
}

void
spi_owner_begin_as(SpiOwner *spi, Oid role)
{
	begin(spi, role, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	spi->keeps_settings = false;
}

void
spi_owner_end(SpiOwner *spi)
{
	Oid			caller = spi->running->actor;

	Assert(innermost == spi->running);
	forget_innermost();
	SPI_finish();
	SetUserIdAndSecContext(caller, spi->security_context);
	/*
	 * As with functions that have SET, what we SET LOCAL stays.  What another
	 * role set does not.
	 */
	AtEOXact_GUC(spi->keeps_settings, spi->guc_nest_level);
}

Oid
spi_owner_actor(void)
{
	const RunningSpi *outermost = innermost;

	if (outermost == NULL)
		return GetUserId();
	while (outermost->outer != NULL)
		outermost = outermost->outer;
	return outermost->actor;
}

/*
 * SPI adds each statement to the context of an error.  Ours mean nothing to
 * the caller and are removed; the context of others, such as an
 * administrator's trigger, stays.
 */
static void
take_out_of_context(ErrorData *error, const char *sql)
{
	char	   *line = error->context == NULL ? NULL : strstr(error->context, sql);
	char	   *rest;

	if (line == NULL)
		return;
	rest = strchr(line + strlen(sql), '\n');
	while (line > error->context && line[-1] != '\n')
		line--;
	if (rest != NULL)
		memmove(line, rest + 1, strlen(rest + 1) + 1);
	else if (line > error->context)
		line[-1] = '\0';
	else
		error->context = NULL;
}

/* Called in PG_CATCH, after a statement of ours */
pg_noreturn static void
throw_on(const char *sql, MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	take_out_of_context(error, sql);
	ReThrowError(error);
}

static void
execute(const char *sql, int count, const Parameter *parameters, SPIExecuteOptions *options)
{
	MemoryContext context = CurrentMemoryContext;
	volatile int result = 0;

	Assert(innermost != NULL);
	options->params = makeParamList(count);
	for (int i = 0; i < count; i++)
		options->params->params[i] = (ParamExternData) {
			.value = parameters[i].value,.isnull = parameters[i].null,
			.pflags = PARAM_FLAG_CONST,.ptype = parameters[i].type
		};

	PG_TRY();
	{
		result = SPI_execute_extended(sql, options);
	}
	PG_CATCH();
	{
		throw_on(sql, context);
	}
	PG_END_TRY();
	if (result < 0)
		elog(ERROR, "SPI_execute_extended failed: %s", SPI_result_code_string(result));
}

uint64
spi_owner_run(const char *sql, int count, const Parameter *parameters)
{
	SPIExecuteOptions options = {0};

	execute(sql, count, parameters, &options);
	return SPI_processed;
}

/*
 * Reads nothing but the rows that are asked for, so that no counter shows
 * anything of others.
 */
static void
plan_by_index_only(void)
{
	static const char *const settings[][2] = {
		{"enable_seqscan", "off"}, {"enable_hashjoin", "off"}, {"enable_mergejoin", "off"},
		{"enable_nestloop", "on"}, {"enable_indexscan", "on"}, {"jit", "off"},
		/* With these a caller could make the planner choose such a plan even so */
		{"seq_page_cost", "1"}, {"random_page_cost", "4"}, {"cpu_tuple_cost", "0.01"},
		{"cpu_index_tuple_cost", "0.005"}, {"cpu_operator_cost", "0.0025"}, {"effective_cache_size", "4GB"},
	};

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1],
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
spi_owner_read(const char *sql, int count, const Parameter *parameters, DestReceiver *destination)
{
	SPIExecuteOptions options = {.read_only = true,.dest = destination};

	plan_by_index_only();
	execute(sql, count, parameters, &options);
}

void
spi_owner_read_everything(const char *sql, DestReceiver *destination)
{
	SPIExecuteOptions options = {.read_only = true,.dest = destination};

	/* To compile a query of many branches takes longer than the query. */
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	execute(sql, 0, NULL, &options);
}

Datum
spi_owner_result(int column, bool *null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, null);
}

Datum
spi_owner_carry(Datum value)
{
	return SPI_datumTransfer(value, false, -1);
}

char *
spi_owner_carry_string(const char *value)
{
	return value == NULL ? NULL : strcpy(SPI_palloc(strlen(value) + 1), value);
}

Parameter
parameter_text(const text *value)
{
	return (Parameter) {TEXTOID, PointerGetDatum(value), value == NULL};
}

Parameter
parameter_string(const char *value)
{
	return parameter_text(value == NULL ? NULL : cstring_to_text(value));
}

Parameter
parameter_timestamp(int64 value)
{
	return (Parameter) {TIMESTAMPTZOID, Int64GetDatum(value), false};
}

Parameter
parameter_interval(const void *value)
{
	return (Parameter) {INTERVALOID, PointerGetDatum(value), value == NULL};
}

Parameter
parameter_boolean(bool value)
{
	return (Parameter) {BOOLOID, BoolGetDatum(value), false};
}

/* A name has a fixed length, and is copied with everything behind its end. */
Parameter
parameter_name(const char *value)
{
	Name		name = palloc0(sizeof(NameData));

	if (value != NULL)
		namestrcpy(name, value);
	return (Parameter) {NAMEOID, NameGetDatum(name), value == NULL};
}

/* One of our own types */
Parameter
parameter_of(const char *type, Datum value, bool null)
{
	return (Parameter) {catalog_type(type), value, null};
}
