/*
 * registration.h
 *		Bringing keys into the tables.
 */
#ifndef FALUKEYS_REGISTRATION_H
#define FALUKEYS_REGISTRATION_H

#include "postgres.h"

#include "utils/array.h"

#include "apikey.h"
#include "compat.h"
#include "spi_owner.h"
#include "store.h"

/* What a new key is to be.  NULL pointers and infinite times are left out. */
typedef struct KeyDraft
{
	const text *workspace;
	ApiKey		secret;
	const text *public_key;
	bool		imported;
	text	   *description;
	ArrayType  *permissions;
	ArrayType  *networks;
	ArrayType  *objects;
	const text *parent_key_id;	/* of the identity that makes a temporary key */
	const ApiKey *parent_secret;
	TimestampTz not_before;
	TimestampTz expires_at;
	Datum		meta;			/* a jsonb, or 0 */
} KeyDraft;

extern void registration_init(KeyDraft *draft, const text *workspace);

/* Arguments that restrict: not empty, without NULLs, not for public keys */
extern void registration_check_restrictions(const ArrayType *permissions,
											const ArrayType *networks, char kind);

/* 55000 where the workspace cannot have such a key */
extern void registration_check_workspace(const text *workspace, const WorkspaceFacts *facts,
										 char mode);

/* Within a spi_owner_begin: a row for the draft, recorded as the event; its id */
extern text *registration_insert(const KeyDraft *draft, const char *event);

/* The same for a new public or secret key, whose secret is kept */
extern text *registration_create(KeyDraft *draft, const PlainKey *key, bool reveal);

/* Within a spi_owner_begin: the rows that restrict a key, in place of those before */
extern void registration_set_permissions(const text *key_id, ArrayType *permissions);
extern void registration_set_networks(const text *key_id, ArrayType *networks);

/* Seals a new secret, or records that it has been shown. */
extern void registration_keep(const text *key_id, const PlainKey *key, bool reveal);

/* 23505; does not say whose it is */
pg_noreturn extern void registration_report_duplicate(void);

#endif							/* FALUKEYS_REGISTRATION_H */
