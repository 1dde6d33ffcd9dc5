/*
 * shared_notes.h
 *		A few bytes about a database, which are not in the database's own data.
 */
#ifndef FALUKEYS_SHARED_NOTES_H
#define FALUKEYS_SHARED_NOTES_H

#include "postgres.h"

/*
 * What a note belongs to.  A note on a database is dropped with it, and copies
 * of the database do not have it.  A note on the extension is dropped with the
 * extension or the database, and copies have it.
 */
typedef enum NoteKind
{
	NOTE_ON_DATABASE,
	NOTE_ON_EXTENSION
} NoteKind;

/* Reads a note of this or another database; false where there is none of that size. */
extern bool shared_notes_read(NoteKind kind, Oid database, uint32 *words, int count);

/* Is there one, of any size? */
extern bool shared_notes_exist(NoteKind kind, Oid database);

/*
 * Notes of this database.  A lasting one is visible to everyone at once and
 * not undone by ROLLBACK; there must not be another one.
 */
extern void shared_notes_write(NoteKind kind, const uint32 *words, int count, bool lasting);
extern void shared_notes_delete(NoteKind kind);

/*
 * Lasting too: makes the note unreadable, until it is deleted and written
 * anew.  Sessions that do this at the same time do not wait for each other, as
 * with a deletion.
 */
extern void shared_notes_spoil(NoteKind kind);

#endif							/* FALUKEYS_SHARED_NOTES_H */
