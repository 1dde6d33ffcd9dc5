/*
 * invariants.c
 *		What must hold between the rows of the tables, whoever wrote them.
 *
 * The view says what; here is who may ask.
 */
#include "postgres.h"

#include "executor/tstoreReceiver.h"
#include "funcapi.h"

#include "access.h"
#include "spi_owner.h"

PG_FUNCTION_INFO_V1(invariants_broken);

Datum
invariants_broken(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows = (ReturnSetInfo *) fcinfo->resultinfo;
	DestReceiver *destination;
	SpiOwner	spi;

	access_level_check("broken_invariants", ACCESS_OPERATOR, ACCESS_MANAGER);
	access_check_platform("broken_invariants");
	InitMaterializedSRF(fcinfo, 0);
	spi_owner_begin(&spi);
	destination = CreateDestReceiver(DestTuplestore);
	SetTuplestoreDestReceiverParams(destination, rows->setResult,
									rows->econtext->ecxt_per_query_memory, false,
									rows->setDesc, "the view has other columns than the function");
	spi_owner_read_everything("SELECT * FROM falukeys_internal.every_broken_invariant GROUP BY invariant, id"
							  " ORDER BY invariant COLLATE \"C\", id", destination);
	spi_owner_end(&spi);
	return (Datum) 0;
}
