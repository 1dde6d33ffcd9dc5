/*
 * binding.h
 *		What tells this database from every other, and from its own copies.
 */
#ifndef FALUKEYS_BINDING_H
#define FALUKEYS_BINDING_H

#include "postgres.h"

/* Zeros bind to nothing. */
typedef struct Binding
{
	uint8		digest[12];
} Binding;

/* False where this database has no token yet.  Then nothing is bound to it. */
extern bool binding_here(Binding *binding);

/*
 * The same, but makes the token if it is missing.  It stays, however the
 * transaction ends.
 */
extern void binding_make_here(Binding *binding);

#endif							/* FALUKEYS_BINDING_H */
