/*
 * store.h
 *		Direct reads of our tables, each through one fresh snapshot.
 */
#ifndef FALUKEYS_STORE_H
#define FALUKEYS_STORE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "apikey.h"
#include "catalog.h"
#include "identifier.h"
#include "store_reader.h"

/* A row of keys, without what only people read */
typedef struct KeyFacts
{
	Identifier	id;
	Identifier	workspace_id;
	ApiKey		secret;
	Oid			kind_oid;
	Oid			mode_oid;
	bool		disabled;
	bool		permissions_restricted;
	bool		networks_restricted;
	TimestampTz not_before;		/* -infinity where there is no bound */
	TimestampTz expires_at;		/* infinity where there is no bound */
	bool		revoked;
	bool		compromised;
	bool		has_parent;
	ApiKey		parent;			/* the secret that made a temporary key */
	Datum		meta;			/* 0 for a NULL, and without with_meta */
} KeyFacts;

typedef struct RetiredFacts
{
	Identifier	key_id;
	TimestampTz valid_until;
	TimestampTz compromised_at; /* infinity where it was not reported */
} RetiredFacts;

typedef struct WorkspaceFacts
{
	WorkspaceState state;
	bool		approved;		/* ever, so that it has live keys */
	bool		settled;		/* it is committed, and no one is changing it */
} WorkspaceFacts;

/*
 * Column numbers of what is read directly.  A table may have others, which this
 * library does not know: they are never read.
 */
#define KEYS_ID						1
#define KEYS_WORKSPACE_ID			2
#define KEYS_SECRET					3
#define KEYS_KIND					4
#define KEYS_MODE					5
#define KEYS_DISABLED				6
#define KEYS_PERMISSIONS_RESTRICTED	7
#define KEYS_NETWORKS_RESTRICTED	8
#define KEYS_NOT_BEFORE				9
#define KEYS_EXPIRES_AT				10
#define KEYS_REVOKED_AT				11
#define KEYS_COMPROMISED_AT			12
#define KEYS_PARENT_SECRET			13
#define KEYS_FACTS					13	/* of all these, the last one */
#define KEYS_META					14
#define KEYS_IMPORTED				17

#define RETIRED_SECRET				1
#define RETIRED_KEY_ID				2
#define RETIRED_VALID_UNTIL			4
#define RETIRED_COMPROMISED_AT		5

#define SEALED_SECRET				1
#define SEALED_KEY_ID				2
#define SEALED_SEAL					3
#define SEALED_REVEALED_BY			5
#define SEALED_FIRST_SAVED_IN		6

#define MEMBERS_WORKSPACE_ID		1
#define MEMBERS_MEMBER				2
#define MEMBERS_ROLE				3

#define EVENTS_ID					1

#define WORKSPACES_STATE			2
#define WORKSPACES_APPROVED_AT		6

/* key_permissions, key_networks and key_objects */
#define RESTRICTION_KEY_ID			1
#define RESTRICTION_VALUE			2

extern bool store_key_by_secret(StoreReader *reader, const ApiKey *secret, KeyFacts *facts);
extern bool store_key_by_id(StoreReader *reader, const text *id, KeyFacts *facts);

/* As it is now, with a reader of its own */
extern bool store_read_key(const text *id, KeyFacts *facts);

/* Reads the same whether the id is missing or another workspace's. */
extern bool store_key_in_workspace(StoreReader *reader, const text *workspace, const text *id,
								   KeyFacts *facts);
extern bool store_retired(StoreReader *reader, const ApiKey *secret, RetiredFacts *facts);

/* A workspace that is not found is closed. */
extern bool store_workspace(StoreReader *reader, const text *id, WorkspaceFacts *facts);
extern bool store_read_workspace(const text *id, WorkspaceFacts *facts);	/* with a reader of its own */

/* For verification: the state as it is remembered, or read */
extern bool store_workspace_state(StoreReader *reader, const Identifier *id, WorkspaceState *state);

/* What a key is restricted to: a list of texts, or of inets for the networks */
typedef enum StoreRestriction
{
	STORE_PERMISSIONS,
	STORE_NETWORKS,
	STORE_OBJECTS,
	STORE_RESTRICTIONS			/* how many */
} StoreRestriction;

extern List *store_restrictions(StoreReader *reader, StoreRestriction which, const text *key_id);

/* Does one of a key's permissions, networks or objects fit what is asked for? */
typedef bool (*StoreFits) (Datum value, const void *asked);
extern bool store_restriction_fits(StoreReader *reader, StoreRestriction which,
								   const KeyFacts *facts, StoreFits fits, const void *asked);

/* Was the key made elsewhere? */
extern bool store_key_is_imported(const text *id);

/* The secrets that a key has and had, and those made by its holders, as pointers to ApiKey */
extern List *store_secrets(StoreReader *reader, const text *key_id);

/* The highest number of an event, of those in progress too; 0 if there is none */
extern int64 store_last_event(void);

#endif							/* FALUKEYS_STORE_H */
