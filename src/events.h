/*
 * events.h
 *		The append-only record of what was done to workspaces and keys.
 */
#ifndef FALUKEYS_EVENTS_H
#define FALUKEYS_EVENTS_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* A member of an event's detail; a NULL value is left out. */
typedef struct EventDetail
{
	const char *name;
	const char *value;
} EventDetail;

/* What the client set in falukeys.acting_for, and in falukeys.notify */
extern char *events_acting_for;
extern bool events_notify;

/* May an event that is put there by hand, or restored, have this number? */
extern bool events_may_have(int64 id);

/*
 * The number of the next event.  Nobody else gets a number until it is
 * released, which is to be done as soon as the row is inserted.
 */
extern int64 events_take_number(void);
extern void events_release_number(void);

/* Within a spi_owner_begin. */
extern void events_record(const char *event, const text *workspace, const text *key,
						  int details, const EventDetail *detail);

#define EVENTS_RECORD(event, workspace, key, ...) \
	events_record(event, workspace, key, \
				  lengthof(((const EventDetail[]) {__VA_ARGS__})), \
				  (const EventDetail[]) {__VA_ARGS__})

#endif							/* FALUKEYS_EVENTS_H */
