/*
 * keys.h
 *		What functions that hand out a key return.
 */
#ifndef FALUKEYS_KEYS_H
#define FALUKEYS_KEYS_H

#include "postgres.h"

#include "fmgr.h"

#include "apikey.h"

/*
 * A row (id, key), whose key is NULL where it is not to be revealed.  Cleanses
 * the text of the key afterwards.
 */
extern Datum keys_hand_out(FunctionCallInfo fcinfo, const text *id, PlainKey *key, bool reveal);

#endif							/* FALUKEYS_KEYS_H */
