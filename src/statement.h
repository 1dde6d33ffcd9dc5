/*
 * statement.h
 *		Relational statements on our own tables, run as their owner.
 */
#ifndef FALUKEYS_STATEMENT_H
#define FALUKEYS_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"

/*
 * Between statement_begin and statement_end; lives on the C stack, so only these
 * two and their caller look into it.  What an error may leave behind is in what
 * it points to, which lives as long as the transaction.
 */
typedef struct Statement
{
	struct RunningStatement *running;
	int			security_context;
	int			guc_nest_level;
	bool		keeps_settings;
	MemoryContext caller_context;
} Statement;

/* One parameter */
typedef struct Parameter
{
	Oid			type;
	Datum		value;
	bool		null;
} Parameter;

extern void statement_begin(Statement *statement);

/*
 * As another role than our tables' owner, which may do nothing but run
 * statements: no setting made in between outlives statement_end.
 */
extern void statement_begin_as(Statement *statement, Oid role);
extern void statement_end(Statement *statement);

/* The role that counts: current_user where the outermost of our functions was called. */
extern Oid	statement_actor(void);

/*
 * Runs one statement, whose names are all schema-qualified, and answers how
 * many rows it touched; what it returned is in SPI_tuptable.
 */
extern uint64 statement_run(const char *sql, int count, const Parameter *parameters);

/*
 * The rows of one SELECT with one parameter, as the running query sees them,
 * go to a destination; the last that is run before statement_end.
 */
extern void statement_read(const char *sql, Parameter parameter, DestReceiver *destination);

/* A column of the first row that the last statement returned. */
extern Datum statement_result(int column, bool *null);

/* Parameters as they are mostly needed; a NULL pointer is a NULL. */
extern Parameter parameter_text(const text *value);
extern Parameter parameter_string(const char *value);
extern Parameter parameter_timestamp(int64 value);
extern Parameter parameter_interval(const void *value);
extern Parameter parameter_boolean(bool value);
extern Parameter parameter_name(const char *value);
extern Parameter parameter_of(const char *type, Datum value, bool null);

#define STATEMENT_RUN(sql, ...) \
	statement_run(sql, lengthof(((const Parameter[]) {__VA_ARGS__})), \
				  (const Parameter[]) {__VA_ARGS__})

#endif							/* FALUKEYS_STATEMENT_H */
