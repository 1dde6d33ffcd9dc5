/*
 * usage_file.h
 *		Keeps what was counted over a restart of the server.
 */
#ifndef FALUKEYS_USAGE_FILE_H
#define FALUKEYS_USAGE_FILE_H

#include "postgres.h"

/* Asks for the memory of the counters, while the library is being preloaded. */
extern void usage_file_request(void);

/* Called when the server has started, since the file must not be read a second time. */
extern void usage_file_remove(void);

#endif							/* FALUKEYS_USAGE_FILE_H */
