/*
 * catalog.c
 *		The OIDs of our own objects, and the values of our enums.
 *
 * What it remembers is good until an invalidation says otherwise.  A callback
 * may run inside any lock, so it only counts; catalog_generation() is what lets
 * the pending ones in.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog.h"

static const char *const relation_names[CATALOG_RELATIONS] = {
	[CATALOG_WORKSPACES] = "workspaces",
	[CATALOG_WORKSPACES_BY_ID] = "workspaces_pkey",
	[CATALOG_MEMBERS] = "members",
	[CATALOG_MEMBERS_BY_MEMBER] = "members_by_member",
	[CATALOG_KEYS] = "keys",
	[CATALOG_KEYS_BY_ID] = "keys_pkey",
	[CATALOG_KEYS_BY_WORKSPACE] = "keys_by_workspace",
	[CATALOG_KEYS_BY_SECRET] = "keys_by_secret",
	[CATALOG_KEYS_BY_PARENT] = "keys_by_parent",
	[CATALOG_RETIRED_SECRETS] = "retired_secrets",
	[CATALOG_RETIRED_SECRETS_BY_SECRET] = "retired_secrets_by_secret",
	[CATALOG_RETIRED_SECRETS_BY_KEY] = "retired_secrets_by_key",
	[CATALOG_SEALED_SECRETS] = "sealed_secrets",
	[CATALOG_SEALED_SECRETS_BY_SECRET] = "sealed_secrets_pkey",
	[CATALOG_KEY_PERMISSIONS] = "key_permissions",
	[CATALOG_KEY_PERMISSIONS_BY_KEY] = "key_permissions_pkey",
	[CATALOG_KEY_NETWORKS] = "key_networks",
	[CATALOG_KEY_NETWORKS_BY_KEY] = "key_networks_pkey",
	[CATALOG_KEY_OBJECTS] = "key_objects",
	[CATALOG_KEY_OBJECTS_BY_KEY] = "key_objects_pkey",
	[CATALOG_KEY_USAGE] = "key_usage",
	[CATALOG_MODE_SETTINGS] = "mode_settings",
	[CATALOG_PERMISSIONS] = "permissions",
	[CATALOG_EVENTS] = "events",
	[CATALOG_EVENTS_BY_ID] = "events_pkey",
	[CATALOG_ISOLATED_TABLES] = "isolated_tables",
	[CATALOG_HEARTBEAT] = "heartbeat",
	[CATALOG_HEARTBEAT_BY_ID] = "heartbeat_pkey",
};

static Oid	relations[CATALOG_RELATIONS];

/* Counts invalidations; relations[] is good while remembered_at equals it. */
static uint64 generation = 1;
static uint64 remembered_at = 0;

static void
relation_changed(Datum arg, Oid relation)
{
	if (!OidIsValid(relation))
	{
		generation++;
		return;
	}
	for (int i = 0; i < CATALOG_RELATIONS; i++)
	{
		if (relations[i] == relation)
		{
			generation++;
			return;
		}
	}
}

static void
syscache_changed(Datum arg, int cache, uint32 hash)
{
	generation++;
}

static void
watch_invalidations(void)
{
	static bool watching = false;

	if (watching)
		return;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(SUBSCRIPTIONRELMAP, syscache_changed, (Datum) 0);
	watching = true;
}

/*
 * Looking up a name processes invalidations.  If some arrive meanwhile, the
 * result is used this once and looked up again next time.  Repeating until
 * none arrive might never end: with debug_discard_caches each look-up causes
 * some.
 */
static bool
remember_relations(bool missing_ok)
{
	uint64		now = generation;
	Oid			schema;

	watch_invalidations();
	schema = get_namespace_oid(CATALOG_SCHEMA, missing_ok);
	if (!OidIsValid(schema))
		return false;
	for (int i = 0; i < CATALOG_RELATIONS; i++)
	{
		relations[i] = get_relname_relid(relation_names[i], schema);
		if (OidIsValid(relations[i]))
			continue;
		if (missing_ok)
			return false;
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist",
						CATALOG_SCHEMA, relation_names[i]),
				 errhint("Is the extension falukeys installed in this database?")));
	}
	remembered_at = now;
	return true;
}

Oid
catalog_relation(CatalogRelation which)
{
	if (unlikely(remembered_at != generation))
		(void) remember_relations(false);
	return relations[which];
}

Oid
catalog_find_relation(CatalogRelation which)
{
	if (unlikely(remembered_at != generation) && !remember_relations(true))
		return InvalidOid;
	return relations[which];
}

uint64
catalog_generation(void)
{
	watch_invalidations();
	AcceptInvalidationMessages();
	return generation;
}

uint64
catalog_current(void)
{
	return generation;
}

void
catalog_announce_change(Oid relation)
{
	SharedInvalidationMessage message;

	memset(&message, 0, sizeof(message));
	message.rc.id = SHAREDINVALRELCACHE_ID;
	message.rc.dbId = MyDatabaseId;
	message.rc.relId = relation;
	SendSharedInvalidMessages(&message, 1);
}

Oid
catalog_type(const char *name)
{
	Oid			schema = get_namespace_oid(CATALOG_SCHEMA, false);
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum(name), ObjectIdGetDatum(schema));

	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type \"%s.%s\" does not exist", CATALOG_SCHEMA, name)));
	return type;
}

Oid
catalog_enum_oid(const char *type, const char *label)
{
	Oid			value = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
										ObjectIdGetDatum(catalog_type(type)),
										CStringGetDatum(label));

	if (!OidIsValid(value))
		elog(ERROR, "type %s.%s has no value \"%s\"", CATALOG_SCHEMA, type, label);
	return value;
}

const char *
catalog_enum_label(Oid value)
{
	HeapTuple	tuple = SearchSysCache1(ENUMOID, ObjectIdGetDatum(value));
	char	   *label;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for enum value %u", value);
	label = pstrdup(NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel));
	ReleaseSysCache(tuple);
	return label;
}

Oid
catalog_kind_oid(char kind)
{
	return catalog_enum_oid("key_kind",
							kind == 'p' ? "public" : kind == 's' ? "secret" : "temporary");
}

Oid
catalog_mode_oid(char mode)
{
	return catalog_enum_oid("key_mode", mode == 'l' ? "live" : "test");
}

/*
 * Labels are compared as a whole, since ALTER TYPE ...  ADD VALUE may add some
 * that begin like ours.
 */
int
catalog_label_among(Oid value, const char *const *labels, int count)
{
	const char *label = catalog_enum_label(value);
	int			i = 0;

	while (i < count && strcmp(label, labels[i]) != 0)
		i++;
	return i;
}

char
catalog_kind(Oid kind)
{
	static const char *const labels[] = {"public", "secret", "temporary"};

	return "pst"[catalog_label_among(kind, labels, lengthof(labels))];
}

char
catalog_mode(Oid mode)
{
	static const char *const labels[] = {"test", "live"};

	return "tl"[catalog_label_among(mode, labels, lengthof(labels))];
}

static const char *const workspace_states[] = {
	[WORKSPACE_PENDING] = "pending",
	[WORKSPACE_APPROVED] = "approved",
	[WORKSPACE_SUSPENDED] = "suspended",
	[WORKSPACE_CLOSED] = "closed",
};

WorkspaceState
catalog_workspace_state(Oid state)
{
	int			known = catalog_label_among(state, workspace_states, lengthof(workspace_states));

	return known == lengthof(workspace_states) ? WORKSPACE_CLOSED : (WorkspaceState) known;
}

bool
catalog_knows_workspace_state(Oid state)
{
	return catalog_label_among(state, workspace_states, lengthof(workspace_states)) <
		lengthof(workspace_states);
}

WorkspaceRole
catalog_workspace_role(Oid role)
{
	static const char *const labels[] = {
		[WORKSPACE_ADMINISTRATOR] = "administrator",
		[WORKSPACE_DEVELOPER] = "developer",
		[WORKSPACE_MEMBER] = "member",
	};

	return (WorkspaceRole) catalog_label_among(role, labels, lengthof(labels));
}
