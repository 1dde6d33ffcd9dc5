/*
 * hints.h
 *		Where the rows of keys stood when they were last read.
 */
#ifndef FALUKEYS_HINTS_H
#define FALUKEYS_HINTS_H

#include "postgres.h"

#include "storage/buf.h"
#include "storage/itemptr.h"

#include "apikey.h"

typedef struct RowHint
{
	ItemPointerData tid;
	uint16		offset;			/* of the row in its page, in bytes */
	Buffer		buffer;
} RowHint;

/* Asks for memory for so many keys, shared by all, while the library is being preloaded. */
extern void hints_request(int keys);

/* Prefetches the hint, which will be looked at soon. */
extern void hints_prefetch(const ApiKey *secret);

/* Also prefetches what is needed to follow the hint that it finds */
extern bool hints_find(const ApiKey *secret, RowHint *row);
extern void hints_remember(const ApiKey *secret, const RowHint *row);

#endif							/* FALUKEYS_HINTS_H */
