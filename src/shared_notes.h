/*
 * shared_notes.h
 *		A few bytes about a database, which are not in the database's own data.
 */
#ifndef FALUKEYS_SHARED_NOTES_H
#define FALUKEYS_SHARED_NOTES_H

#include "postgres.h"

/*
 * On what a note hangs.  One on a database goes with it, and no copy has it.
 * One on the extension in a database goes with either, and a copy of the
 * database has it too.
 */
typedef enum NoteKind
{
	NOTE_ON_DATABASE,
	NOTE_ON_EXTENSION
} NoteKind;

/* A note of this database, or of another: false where there is none of that size. */
extern bool shared_notes_read(NoteKind kind, Oid database, uint32 *words, int count);

/* Is there one, of whatever size? */
extern bool shared_notes_exist(NoteKind kind, Oid database);

/*
 * Of this database.  What is lasting holds at once, for everyone, and is not
 * undone by ROLLBACK; there must not be another one.
 */
extern void shared_notes_write(NoteKind kind, const uint32 *words, int count, bool lasting);
extern void shared_notes_delete(NoteKind kind);

/*
 * Lasting too: there is no note any more, until it is deleted and written anew.
 * Sessions that do so at once do not wait for each other, as deleting would.
 */
extern void shared_notes_spoil(NoteKind kind);

#endif							/* FALUKEYS_SHARED_NOTES_H */
