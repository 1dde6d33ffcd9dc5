/*
 * spi_owner.h
 *		SPI as the owner of our tables.
 */
#ifndef FALUKEYS_SPI_OWNER_H
#define FALUKEYS_SPI_OWNER_H

#include "postgres.h"

#include "executor/spi.h"

/*
 * Between spi_owner_begin and spi_owner_end; lives on the C stack, so only these
 * two and their caller look into it.  What an error may leave behind is in what
 * it points to, which lives as long as the transaction.
 */
typedef struct SpiOwner
{
	struct RunningSpi *running;
	int			security_context;
	int			guc_nest_level;
	bool		keeps_settings;
} SpiOwner;

/* One parameter */
typedef struct Parameter
{
	Oid			type;
	Datum		value;
	bool		null;
} Parameter;

extern void spi_owner_begin(SpiOwner *spi);

/*
 * As another role than our tables' owner, which may do nothing but run
 * statements: no setting made in between outlives spi_owner_end.
 */
extern void spi_owner_begin_as(SpiOwner *spi, Oid role);
extern void spi_owner_end(SpiOwner *spi);

/* The role that counts: current_user where the outermost of our functions was called. */
extern Oid	spi_owner_actor(void);

/*
 * Runs one statement, whose names are all schema-qualified, and answers how
 * many rows it touched; what it returned is in SPI_tuptable.
 */
extern uint64 spi_owner_run(const char *sql, int count, const Parameter *parameters);

/*
 * The rows of one SELECT with one parameter, as the running query sees them,
 * go to a destination; the last that is run before spi_owner_end.
 */
extern void spi_owner_read(const char *sql, Parameter parameter, DestReceiver *destination);

/* A column of the first row that the last statement returned. */
extern Datum spi_owner_result(int column, bool *null);

/*
 * Copies what is to outlive spi_owner_end: a varlena, such as a text, or a
 * string, which may be NULL.  Not for key text, which would stay in the original.
 */
extern Datum spi_owner_carry(Datum value);
extern char *spi_owner_carry_string(const char *value);

/* Parameters as they are mostly needed; a NULL pointer is a NULL. */
extern Parameter parameter_text(const text *value);
extern Parameter parameter_string(const char *value);
extern Parameter parameter_timestamp(int64 value);
extern Parameter parameter_interval(const void *value);
extern Parameter parameter_boolean(bool value);
extern Parameter parameter_name(const char *value);
extern Parameter parameter_of(const char *type, Datum value, bool null);

#define SPI_OWNER_RUN(sql, ...) \
	spi_owner_run(sql, lengthof(((const Parameter[]) {__VA_ARGS__})), \
				  (const Parameter[]) {__VA_ARGS__})

/* The names that all this had, until nothing uses them any more */
#define Statement			SpiOwner
#define statement_begin		spi_owner_begin
#define statement_begin_as	spi_owner_begin_as
#define statement_end		spi_owner_end
#define statement_actor		spi_owner_actor
#define statement_read		spi_owner_read
#define statement_result	spi_owner_result
#define statement_run		spi_owner_run
#define STATEMENT_RUN		SPI_OWNER_RUN

#endif							/* FALUKEYS_SPI_OWNER_H */
