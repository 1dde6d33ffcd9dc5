/*
 * catalog.h
 *		The OIDs of our own objects, and the values of our enums.
 */
#ifndef FALUKEYS_CATALOG_H
#define FALUKEYS_CATALOG_H

#include "postgres.h"

#define CATALOG_SCHEMA	"falukeys"

/* Where functions and views are that nobody is meant to use directly */
#define CATALOG_INTERNAL_SCHEMA	"falukeys_internal"

/* What direct access needs. catalog.c has their names. */
typedef enum CatalogRelation
{
	CATALOG_WORKSPACES,
	CATALOG_WORKSPACES_BY_ID,
	CATALOG_MEMBERS,
	CATALOG_MEMBERS_BY_MEMBER,
	CATALOG_KEYS,
	CATALOG_KEYS_BY_ID,
	CATALOG_KEYS_BY_WORKSPACE,
	CATALOG_KEYS_BY_SECRET,
	CATALOG_KEYS_BY_PARENT,
	CATALOG_RETIRED_SECRETS,
	CATALOG_RETIRED_SECRETS_BY_SECRET,
	CATALOG_RETIRED_SECRETS_BY_KEY,
	CATALOG_SEALED_SECRETS,
	CATALOG_SEALED_SECRETS_BY_SECRET,
	CATALOG_KEY_PERMISSIONS,
	CATALOG_KEY_PERMISSIONS_BY_KEY,
	CATALOG_KEY_NETWORKS,
	CATALOG_KEY_NETWORKS_BY_KEY,
	CATALOG_KEY_OBJECTS,
	CATALOG_KEY_OBJECTS_BY_KEY,
	CATALOG_KEY_USAGE,
	CATALOG_MODE_SETTINGS,
	CATALOG_PERMISSIONS,
	CATALOG_EVENTS,
	CATALOG_EVENTS_BY_ID,
	CATALOG_ISOLATED_TABLES,
	CATALOG_HEARTBEAT,
	CATALOG_HEARTBEAT_BY_ID,
	CATALOG_RELATIONS			/* how many */
} CatalogRelation;

typedef enum WorkspaceState
{
	WORKSPACE_PENDING,
	WORKSPACE_APPROVED,
	WORKSPACE_SUSPENDED,
	WORKSPACE_CLOSED
} WorkspaceState;

typedef enum WorkspaceRole
{
	WORKSPACE_ADMINISTRATOR,
	WORKSPACE_DEVELOPER,
	WORKSPACE_MEMBER,
	WORKSPACE_NO_ROLE			/* a label that we do not know */
} WorkspaceRole;

extern Oid	catalog_relation(CatalogRelation which);

/* Likewise, but InvalidOid where the extension is gone */
extern Oid	catalog_find_relation(CatalogRelation which);

/*
 * Processes pending invalidations and returns a number, which changes whenever
 * a definition of our tables, their files, a row of workspaces, or a subscription
 * has changed.
 */
extern uint64 catalog_generation(void);

/* The same number, without processing invalidations */
extern uint64 catalog_current(void);

/* Moves the generation of every session now, without waiting for the commit */
extern void catalog_announce_change(Oid relation);

/* By the letters of KeyParts; '\0' for a label that we do not know */
extern Oid	catalog_kind_oid(char kind);
extern Oid	catalog_mode_oid(char mode);
extern char catalog_kind(Oid kind);
extern char catalog_mode(Oid mode);

/* A label that we do not know counts as closed, which permits nothing. */
extern WorkspaceState catalog_workspace_state(Oid state);
extern bool catalog_knows_workspace_state(Oid state);
extern WorkspaceRole catalog_workspace_role(Oid role);

extern Oid	catalog_type(const char *name);
extern Oid	catalog_enum_oid(const char *type, const char *label);
extern const char *catalog_enum_label(Oid value);

/* Which of these labels a value has, or their count if it has none of them */
extern int	catalog_label_among(Oid value, const char *const *labels, int count);

#endif							/* FALUKEYS_CATALOG_H */
