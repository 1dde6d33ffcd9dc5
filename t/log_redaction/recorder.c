/*
 * recorder.c
 *		A library that keeps what it is shown of each line of the log, for t/036.
 *
 * Appends to the file RECORD in the data directory.
 */
#include "postgres.h"

#include "fmgr.h"
#include "tcop/tcopprot.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static emit_log_hook_type previous = NULL;

static void
record(ErrorData *edata)
{
	FILE	   *file = fopen(RECORD, "a");

	if (file != NULL)
	{
		fprintf(file, "%s\n", edata->message ? edata->message : "");
		if (debug_query_string != NULL && !edata->hide_stmt)
			fprintf(file, "%s\n", debug_query_string);
		fclose(file);
	}
	if (previous)
		previous(edata);
}

void
_PG_init(void)
{
	previous = emit_log_hook;
	emit_log_hook = record;
}
