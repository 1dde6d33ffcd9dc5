/*
 * server.h
 *		As much of a server as src/apikey.c needs: memory that is given back at
 *		once, and errors that come back to who asked.
 */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include "postgres.h"

#include "fmgr.h"

#include "compat.h"

/* What the last call that failed has said */
typedef struct ServerError
{
	int			sqlstate;
	char		text[4096];		/* message, detail and hint */
} ServerError;

extern ServerError server_error;

/* False where the function raised an error. */
extern bool server_call(PGFunction function, int count, const Datum *arguments, Datum *result);

/* Gives back all that was allocated since the last time. */
extern void server_forget(void);

#endif							/* FUZZ_SERVER_H */
