/*
 * keys.h
 *		What functions that hand out a key return.
 */
#ifndef FALUKEYS_KEYS_H
#define FALUKEYS_KEYS_H

#include "postgres.h"

#include "fmgr.h"

/* A row (id, key) in the current memory context; without a plaintext, key is NULL. */
extern Datum keys_id_and_text(FunctionCallInfo fcinfo, const text *id, const char *plaintext);

#endif							/* FALUKEYS_KEYS_H */
