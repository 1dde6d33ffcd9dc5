/*
 * recording.h
 *		What the triggers of the tables record, whoever changed them.
 */
#ifndef FALUKEYS_RECORDING_H
#define FALUKEYS_RECORDING_H

#include "postgres.h"

#include "trigger_row.h"

/* Within a spi_owner_begin: what an UPDATE of a workspace changed beside its state */
extern void recording_workspace(TriggerRow *row);

#endif							/* FALUKEYS_RECORDING_H */
