/*
 * spi_owner.h
 *		SPI as the owner of our tables.
 */
#ifndef FALUKEYS_SPI_OWNER_H
#define FALUKEYS_SPI_OWNER_H

#include "postgres.h"

#include "executor/spi.h"

/*
 * From spi_owner_begin to spi_owner_end, on the C stack of the caller.  What
 * must survive an error is where it points to, in memory of the transaction.
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
extern Oid	spi_owner_of_tables(void);

/*
 * As another role than the owner of our tables, in a security-restricted
 * operation: no setting made in between outlives spi_owner_end.
 */
extern void spi_owner_begin_as(SpiOwner *spi, Oid role);
extern void spi_owner_end(SpiOwner *spi);

/* current_user as it was where the outermost of our functions was called */
extern Oid	spi_owner_actor(void);

/*
 * Runs one statement, with schema-qualified names, and returns the number of
 * rows; the rows themselves are in SPI_tuptable.
 */
extern uint64 spi_owner_run(const char *sql, int count, const Parameter *parameters);

/*
 * Sends the rows of a SELECT, as the running query sees them, to a destination.
 * Must be the last statement before spi_owner_end.
 */
extern void spi_owner_read(const char *sql, int count, const Parameter *parameters,
						   DestReceiver *destination);

/* The same for callers who may see every row, by whatever plan is the best. */
extern void spi_owner_read_everything(const char *sql, DestReceiver *destination);

/* A column of the first row that the last statement returned. */
extern Datum spi_owner_result(int column, bool *null);

/*
 * Copies what is to outlive spi_owner_end: a varlena, such as a text, or a
 * string, which may be NULL.  Not for key text, which would stay in the original.
 */
extern Datum spi_owner_carry(Datum value);
extern char *spi_owner_carry_string(const char *value);

/* Parameters of common types; a NULL pointer is a NULL. */
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

#endif							/* FALUKEYS_SPI_OWNER_H */
