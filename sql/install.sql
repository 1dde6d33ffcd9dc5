--
-- What CREATE EXTENSION makes, and who may use it, in a database of its own
--
\set VERBOSITY sqlstate
SELECT current_database() AS before \gset
CREATE DATABASE regress_falukeys_install TEMPLATE template0;
\c regress_falukeys_install

-- A schema of that name that belongs to someone else is not taken over.
CREATE ROLE regress_falukeys_nobody;
CREATE SCHEMA falukeys AUTHORIZATION regress_falukeys_nobody;
CREATE EXTENSION falukeys;
DROP SCHEMA falukeys;
-- Nor is a schema that the extension makes itself, whoever has made it
CREATE SCHEMA falukeys_internal;
CREATE EXTENSION falukeys;
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE EXTENSION falukeys;
\set SHOW_CONTEXT errors
\set VERBOSITY sqlstate
DROP SCHEMA falukeys_internal;
CREATE EXTENSION falukeys SCHEMA public;
-- Superusers only
GRANT CREATE ON DATABASE regress_falukeys_install TO regress_falukeys_nobody;
SET ROLE regress_falukeys_nobody;
CREATE EXTENSION falukeys;
RESET ROLE;

CREATE EXTENSION falukeys;
SELECT e.extversion = a.default_version AS default_version, e.extrelocatable,
       v.superuser, v.trusted, v.requires
  FROM pg_extension e
  JOIN pg_available_extensions a ON a.name = e.extname
  JOIN pg_available_extension_versions v ON v.name = e.extname AND v.version = e.extversion
 WHERE e.extname = 'falukeys';
ALTER EXTENSION falukeys SET SCHEMA public;

CREATE VIEW member AS
SELECT classid, objid, type, schema, identity
  FROM pg_depend, pg_identify_object(classid, objid, 0)
 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'falukeys')
   -- From 17 on, types of arrays and of tables' rows are members too.
   AND NOT (classid = 'pg_type'::regclass AND objid IN
            (SELECT oid FROM pg_type WHERE typcategory = 'A'
                OR typrelid IN (SELECT oid FROM pg_class WHERE relkind <> 'c')));
SELECT type, count(*) > 0 AS some FROM member GROUP BY type ORDER BY type COLLATE "C";

-- Everything is in one of two schemas.
SELECT type, identity FROM member WHERE coalesce(schema, identity) NOT IN ('falukeys', 'falukeys_internal');
SELECT schema, has_schema_privilege('regress_falukeys_nobody', schema, 'USAGE') AS usage,
       has_schema_privilege('regress_falukeys_nobody', schema, 'CREATE') AS "create"
  FROM unnest('{falukeys,falukeys_internal}'::text[]) AS schema;

--
-- Everything has a comment.
--
SELECT type, identity FROM member
 WHERE coalesce(obj_description(objid, classid::regclass::name), '') = '' ORDER BY 1, 2;
SELECT attrelid::regclass, attname
  FROM pg_attribute JOIN member ON classid = 'pg_class'::regclass AND objid = attrelid
 WHERE attnum > 0 AND NOT attisdropped AND type NOT IN ('sequence', 'index')
   AND coalesce(col_description(attrelid, attnum), '') = ''
 ORDER BY attrelid::regclass::text, attnum;
-- Those of functions are two lines of \df+ at most.
SELECT objid::regprocedure, length(obj_description(objid, 'pg_proc')) FROM member
 WHERE classid = 'pg_proc'::regclass AND length(obj_description(objid, 'pg_proc')) > 200 ORDER BY 1;

--
-- The functions that are to be called, with arguments by name and their defaults
--
\pset format unaligned
\pset footer off
SELECT proname, pg_get_function_arguments(oid) AS arguments, pg_get_function_result(oid) AS result
  FROM pg_proc
 WHERE pronamespace = 'falukeys'::regnamespace
 ORDER BY proname, 2;
SELECT attname, atttypid::regtype FROM pg_attribute
 WHERE attrelid = (SELECT typrelid FROM pg_type WHERE oid = 'falukeys.verdict'::regtype) ORDER BY attnum;
SELECT table_name, string_agg(column_name, ', ' ORDER BY ordinal_position) AS columns
  FROM information_schema.columns WHERE table_schema = 'falukeys'
      AND table_name IN ('dashboard', 'attention', 'event_log', 'key_changes', 'workspace_list', 'member_list',
          'permission_list')
  GROUP BY 1 ORDER BY 1;
\pset footer on
\pset format aligned

-- Their marks.  What is not named here writes, or reads what must be fresh.
SELECT p.oid::regprocedure, provolatile, proparallel, proisstrict
  FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
 WHERE (provolatile, proparallel, proisstrict) IS DISTINCT FROM
       CASE WHEN proname ~ '^apikey_' OR proname IN ('kind_of', 'mode_of', 'redacted', 'is_well_formed', 'redact',
           'client_address') THEN ('i'::"char", 's'::"char", true)
            WHEN proname ~ '^current_|^isolated' THEN ('s'::"char", 'r'::"char", false)
            WHEN proname ~ '^(verifier|operator|manager|delegate)_access$' THEN ('s'::"char", 's'::"char", false)
            WHEN proname IN ('sees_every_workspace', 'acting_workspace', 'sees_every_key_change',
                'key_changes_workspace') THEN ('s'::"char", 's'::"char", false)
            WHEN proname IN ('unflushed_usage', 'own_workspaces', 'own_usage', 'own_keys', 'own_events',
                'own_key_changes', 'own_attention', 'own_workspace_list', 'own_members', 'sees_a_workspace',
                'broken_invariants') THEN ('s'::"char", 'u'::"char", false)
            ELSE ('v'::"char", 'u'::"char", false) END
 ORDER BY 1;
-- None runs as its owner, or in a language that is not the server's own.
SELECT p.oid::regprocedure, prosecdef, lanname
  FROM pg_proc p JOIN pg_language l ON l.oid = prolang
 WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
     AND (prosecdef OR lanname NOT IN ('c', 'sql'));

--
-- Nobody has a privilege that the contract does not give.
--
CREATE VIEW privilege AS
SELECT m.type, m.identity, p.proname AS function, a.grantee, a.privilege_type
  FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid,
       aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE a.grantee <> proowner
UNION ALL
SELECT m.type, m.identity, NULL, a.grantee, a.privilege_type
  FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid,
       aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))) a
           WHERE a.grantee <> relowner
UNION ALL
SELECT 'column', attrelid::regclass || '.' || attname, NULL, a.grantee, a.privilege_type
  FROM pg_attribute JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = attrelid, aclexplode(attacl) a
UNION ALL
SELECT m.type, m.identity, NULL, a.grantee, a.privilege_type
  FROM member m JOIN pg_namespace n ON m.classid = 'pg_namespace'::regclass AND n.oid = m.objid,
       aclexplode(nspacl) a WHERE a.grantee <> nspowner
UNION ALL
SELECT m.type, m.identity, NULL, a.grantee, a.privilege_type
  FROM member m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid,
       aclexplode(coalesce(typacl, acldefault('T', typowner))) a WHERE a.grantee <> typowner;
SELECT count(*) AS privileges_of_roles FROM privilege WHERE grantee <> 0;
SELECT identity, privilege_type FROM privilege
 WHERE (type <> 'function' AND type <> 'type' AND (identity, privilege_type) NOT IN
        (('falukeys', 'USAGE'), ('falukeys_internal', 'USAGE'), ('falukeys.dashboard', 'SELECT'),
            ('falukeys.event_log', 'SELECT'), ('falukeys_internal.visible_workspaces', 'SELECT'),
            ('falukeys.usage', 'SELECT'), ('falukeys.attention', 'SELECT'),
		('falukeys.key_changes', 'SELECT'), ('falukeys.workspace_list', 'SELECT'), ('falukeys.member_list', 'SELECT'),
		('falukeys.permission_list', 'SELECT')))
    OR (type = 'function' AND function !~ '^apikey_'
        AND function <> ALL ('{kind_of,mode_of,redacted,is_well_formed,redact,find_keys,
	create_key,create_temporary_key,import_key,import_key_digest,reveal_key,roll_key,end_grace,disable_key,
	enable_key,revoke_key,wait_for_key,
	restrict_key,clear_permissions,clear_networks,annotate_key,set_key_validity,purge_keys,report_compromised_key,
	broken_invariants,
	add_member,remove_member,
	current_key_id,current_workspace_id,current_key_kind,current_key_mode,current_key_allows,current_mode_settings,
	require_permission,
	deauthenticate,current_key_objects,isolated_workspace,isolated_mode,isolated_object,
	isolate_table,release_table,unflushed_usage,health,
	describe_workspace,
	sees_every_workspace,own_workspaces,own_usage,own_keys,own_events,own_attention,acting_workspace,sees_a_workspace,
	own_workspace_list,own_members,
	sees_every_key_change,key_changes_workspace,own_key_changes}'))
 ORDER BY 1, 2;
-- What section by section is the privilege of a few is refused to others.
SELECT p.oid::regprocedure FROM pg_proc p
 WHERE pronamespace = 'falukeys'::regnamespace AND has_function_privilege('regress_falukeys_nobody', oid, 'EXECUTE')
   AND proname = ANY
       ('{create_workspace,approve_workspace,suspend_workspace,resume_workspace,close_workspace,define_permission,
	verify_key,key_allows,handle_allows,client_address,authenticate,try_authenticate,assume_key,
	authenticate_request,grant_access,revoke_access,
	rotate_master_key,adopt_sealed_secrets}')
 ORDER BY 1;
SELECT count(*) AS type_and_its_functions FROM pg_proc
 WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
     AND has_function_privilege('regress_falukeys_nobody', oid, 'EXECUTE')
   AND proname IN ('kind_of', 'mode_of', 'redacted', 'apikey_of', 'is_well_formed', 'redact', 'apikey_in', 'apikey_out',
       'apikey_send', 'apikey_recv', 'apikey_eq', 'apikey_cmp', 'apikey_hash');

--
-- Every table and sequence is dumped, all of it or by a condition.
--
SELECT identity FROM member
 WHERE type IN ('table', 'sequence') AND objid NOT IN (SELECT unnest(extconfig) FROM pg_extension WHERE extname
     = 'falukeys') ORDER BY 1;
SELECT unnest(extconfig)::regclass AS dumped, unnest(extcondition) AS condition FROM pg_extension
	WHERE extname = 'falukeys' ORDER BY (unnest(extconfig)::regclass)::text COLLATE "C";

-- The modes differ as described.
SELECT * FROM falukeys.mode_settings ORDER BY mode;

-- Dropping it leaves the empty schema, as with any extension that names one, and it can be made again.
-- The schema that it made itself goes with it.
DROP VIEW privilege, member;
DROP EXTENSION falukeys;
SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'falukeys'::regnamespace)
     + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'falukeys'::regnamespace)
     + (SELECT count(*) FROM pg_type WHERE typnamespace = 'falukeys'::regnamespace) AS left_in_it,
       to_regnamespace('falukeys_internal') AS internal;
CREATE EXTENSION falukeys;
SELECT falukeys.create_workspace('Again') IS NOT NULL AS created;
-- Tables of others that hold handles keep it.
CREATE TABLE holder (handle falukeys.apikey);
DROP EXTENSION falukeys;

\c :before
DROP DATABASE regress_falukeys_install;
DROP ROLE regress_falukeys_nobody;
