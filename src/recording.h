/*
 * recording.h
 *		What the triggers of the tables record, whoever changed them.
 */
#ifndef FALUKEYS_RECORDING_H
#define FALUKEYS_RECORDING_H

#include "postgres.h"

#include "trigger_row.h"

/* How many rows of a statement are recorded one by one; the rest is counted. */
#define RECORDING_MAX_EVENTS	1000

/* Within a spi_owner_begin: what an UPDATE of a workspace changed beside its state */
extern void recording_workspace(TriggerRow *row);

/* Within a spi_owner_begin: what an UPDATE of a key changed */
extern void recording_key(TriggerRow *row);

/* NULL where the key is gone, as a purged one */
extern text *recording_workspace_of(const text *key_id);

#endif							/* FALUKEYS_RECORDING_H */
