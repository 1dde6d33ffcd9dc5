-- What scripts/sqlsmith lets sqlsmith play with: workspaces with keys in every state,
-- a table of arguments that fit or do not, and an isolated table. Its roles are
-- smith_all, with every level of access and a workspace to administer, and smith_none.

\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE EXTENSION falukeys;
CREATE ROLE smith_all LOGIN;
CREATE ROLE smith_none LOGIN;
SELECT falukeys.grant_access('smith_all', level) FROM unnest(enum_range(NULL::falukeys.access_level)) AS level;

CREATE SCHEMA smith;
GRANT USAGE ON SCHEMA smith TO smith_all, smith_none;
SELECT falukeys.define_permission(p) FROM unnest('{messages,messages.read,payouts.create}'::text[]) AS p;

-- Workspaces in each state, and keys in most

CREATE TABLE smith.workspaces AS
	SELECT n, falukeys.create_workspace('Workspace ' || n, CASE WHEN n = 1 THEN 'smith_all'::regrole END) AS id
	FROM generate_series(1, 5) AS n;
SELECT falukeys.approve_workspace(id) FROM smith.workspaces WHERE n < 5;
SELECT falukeys.suspend_workspace(id, 'unpaid') FROM smith.workspaces WHERE n = 3;
SELECT falukeys.close_workspace(id) FROM smith.workspaces WHERE n = 4;
SELECT falukeys.add_member(id, 'smith_all', 'developer') FROM smith.workspaces WHERE n = 2;

CREATE TABLE smith.made AS
	SELECT w.n, w.id AS workspace_id, k.id, k.key
	FROM smith.workspaces AS w, unnest(enum_range(NULL::falukeys.key_mode)) AS mode, generate_series(1, 8) AS i,
		falukeys.create_key(w.id, 'secret', mode, 'key ' || i,
			permissions => CASE WHEN i % 3 = 0 THEN '{messages.read}'::text[] END,
			networks => CASE WHEN i % 4 = 0 THEN '{10.0.0.0/8}'::cidr[] END) AS k
	WHERE w.n < 3;
INSERT INTO smith.made
	SELECT w.n, w.id, k.id, k.key
	FROM smith.workspaces AS w,
		falukeys.create_temporary_key(w.id, 'test', '{chat-1,chat-2}', ttl => '10 hours') AS k
	WHERE w.n < 3;
SELECT falukeys.create_key(id, 'secret', 'live', reveal => false) FROM smith.workspaces WHERE n < 3;
SELECT falukeys.roll_key(id, '1 day') FROM (SELECT id FROM smith.made WHERE key LIKE 'fsk%' ORDER BY id LIMIT 4) AS s;
SELECT falukeys.disable_key(id) FROM (SELECT id FROM smith.made ORDER BY id OFFSET 4 LIMIT 2) AS s;
SELECT falukeys.revoke_key(id, 'gone') FROM (SELECT id FROM smith.made ORDER BY id OFFSET 6 LIMIT 2) AS s;
SELECT falukeys.report_compromised_key(key, 'a log') FROM (SELECT key FROM smith.made WHERE key LIKE 'fskl%' AND n = 1 ORDER BY id OFFSET 6 LIMIT 1) AS s;

-- Arguments: sqlsmith itself knows only NULL, small numbers, and what stands in columns of a type.

CREATE TABLE smith.arguments (
	key text, key_id text, workspace_id text, permission text, object_id text, garbage text,
	handle falukeys.apikey, kind falukeys.key_kind, mode falukeys.key_mode, role falukeys.workspace_role,
	access falukeys.access_level, who regrole, what regclass, column_name name, client inet, network cidr,
	networks cidr[], texts text[], duration interval, at timestamptz, meta jsonb, number integer, big bigint,
	yes boolean, header text, setting text);
INSERT INTO smith.arguments
	SELECT CASE WHEN i % 5 = 0 THEN left(m.key, i) ELSE m.key END, m.id, m.workspace_id,
		(ARRAY['messages', 'messages.read', 'payouts.create', 'no.such', '', repeat('x.', 5000)])[1 + i % 6],
		(ARRAY['chat-1', 'chat-2', '', repeat('o', 2000)])[1 + i % 4],
		(ARRAY['', ' ', E'\\', '%s%n', 'fskt_', 'wksp_', 'key_', repeat('ü', 4000), m.key || m.key, 'key_' || repeat('0', 27)])[1 + i % 10],
		CASE WHEN falukeys.is_well_formed(m.key) THEN falukeys.apikey_of(m.key) END,
		(enum_range(NULL::falukeys.key_kind))[1 + i % 3], (enum_range(NULL::falukeys.key_mode))[1 + i % 2],
		(enum_range(NULL::falukeys.workspace_role))[1 + i % 3], (enum_range(NULL::falukeys.access_level))[1 + i % 4],
		(ARRAY['smith_all', 'smith_none', 'pg_monitor', '4711'])[1 + i % 4]::regrole,
		(ARRAY['falukeys.keys'::regclass, 'falukeys.dashboard', 'pg_class', 4711, 'smith.arguments'])[1 + i % 5],
		(ARRAY['workspace_id', 'mode', 'no_such', 'ctid', ''])[1 + i % 5],
		(ARRAY['10.0.0.1', '::ffff:10.0.0.1', '0.0.0.0/0', 'fe80::1'])[1 + i % 4]::inet,
		(ARRAY['10.0.0.0/8', '::/0', '127.0.0.1/32'])[1 + i % 3]::cidr,
		(ARRAY['{10.0.0.0/8}', '{}', '{NULL}', '{::/0,10.0.0.0/8}', '[2:2]={::1/128}', '{{10.0.0.0/8}}'])[1 + i % 6]::cidr[],
		(ARRAY['{messages}', '{}', '{NULL}', '{messages.read,payouts.create}', '{{a,b},{c,d}}', '[0:1]={chat-1,chat-2}'])[1 + i % 6]::text[],
		(ARRAY['1 hour', '0', '-1 day', '1000000 years', '30 days', '1 mon'])[1 + i % 6]::interval,
		(ARRAY['now', 'infinity', '-infinity', 'epoch', '4713-01-01 BC', '294276-12-31'])[1 + i % 6]::timestamptz,
		(ARRAY['{}', 'null', '[1]', '{"a": {"b": [null]}}', '"\u00fc"'])[1 + i % 5]::jsonb,
		(ARRAY[0, 1, -1, 2147483647, -2147483648])[1 + i % 5], (ARRAY[0, 1, -1, 9223372036854775807, -9223372036854775808])[1 + i % 5],
		i % 2 = 0,
		(ARRAY['10.1.2.3', '10.1.2.3:80, [::1]:90', 'for="[2001:db8::1%eth0]:4711";by=x', ',,,', '"'])[1 + i % 5],
		(ARRAY['falukeys.acting_in', 'falukeys.acting_for', 'request.headers', 'search_path', 'role'])[1 + i % 5]
	FROM smith.made AS m, generate_series(1, 6) AS i;
ALTER TABLE smith.arguments OWNER TO smith_all;
GRANT SELECT ON smith.arguments TO smith_none;

-- A table of each role's own, isolated

GRANT CREATE ON SCHEMA smith TO smith_all, smith_none;
SET ROLE smith_all;
CREATE TABLE smith.messages (workspace_id text, mode falukeys.key_mode, object_id text, body text);
SELECT falukeys.isolate_table('smith.messages', read_permission => 'messages.read', object_column => 'object_id');
SET ROLE smith_none;
CREATE TABLE smith.notes (workspace_id text, mode falukeys.key_mode, body text);
GRANT SELECT, INSERT, UPDATE ON smith.notes TO PUBLIC;
SELECT falukeys.isolate_table('smith.notes');
RESET ROLE;
REVOKE CREATE ON SCHEMA smith FROM smith_all, smith_none;

-- sqlsmith chooses from pg_proc, as the search_path finds it: what the role may call of
-- falukeys, and a few others to bring variety. It does not know what ranges take.
CREATE VIEW smith.pg_proc AS
	SELECT *
	FROM pg_catalog.pg_proc AS p
	WHERE CASE
		WHEN p.pronamespace IN ('falukeys'::regnamespace, 'falukeys_internal'::regnamespace)
			THEN has_function_privilege(p.oid, 'EXECUTE')
		WHEN p.pronamespace = 'pg_catalog'::regnamespace
			THEN p.proname = 'set_config' OR p.provolatile = 'i' AND hashoid(p.oid) % 25 = 0
				AND NOT p.proargtypes::oid[] && '{anyrange,anymultirange,anycompatiblerange}'::regtype[]::oid[]
		END;
GRANT SELECT ON smith.pg_proc TO smith_all, smith_none;
