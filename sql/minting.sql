--
-- Temporary keys created by a secret key's holder: for its own workspace and mode, within its own limits
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT count(falukeys.define_permission(name)) AS defined FROM unnest('{minting,minting.read,minting_other}'::text[]) name;
SELECT falukeys.create_workspace('Minting') AS workspace, falukeys.create_workspace('Minting, other') AS other \gset
SELECT count(falukeys.approve_workspace(id)) AS approved FROM unnest(ARRAY[:'workspace', :'other']) id;

CREATE ROLE minting_app;
SELECT falukeys.grant_access('minting_app', 'verifier');
CREATE ROLE minting_nobody;

CREATE TABLE minting_named AS
	SELECT 'first' AS name, made.* FROM falukeys.create_key(:'workspace', 'secret', 'test') made
	UNION ALL SELECT 'public', made.* FROM falukeys.create_key(:'workspace', 'public', 'live') made
	UNION ALL SELECT 'reader', made.* FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{minting.read}') made
	UNION ALL SELECT 'network', made.* FROM falukeys.create_key(:'workspace', 'secret', 'test', networks => '{192.0.2.0/24}') made
	UNION ALL SELECT 'both', made.* FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{minting}', networks => '{192.0.2.0/24,2001:db8::/32}') made
	UNION ALL SELECT 'temporary', made.* FROM falukeys.create_temporary_key(:'workspace', 'test', '{object_1}', '{minting.read}') made;
GRANT SELECT ON minting_named TO PUBLIC;
CREATE FUNCTION pg_temp.id_of(name text) RETURNS text LANGUAGE sql AS $$ SELECT id FROM minting_named n WHERE n.name = id_of.name $$;
CREATE FUNCTION pg_temp.key_of(name text) RETURNS text LANGUAGE sql AS $$ SELECT key FROM minting_named n WHERE n.name = key_of.name $$;
CREATE FUNCTION pg_temp.take(name text) RETURNS text LANGUAGE sql AS $$ SELECT code FROM falukeys.authenticate(pg_temp.key_of(name)) $$;
GRANT CREATE ON SCHEMA public TO minting_app;
SET ROLE minting_app;
CREATE FUNCTION minting_enter(name text) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT code FROM falukeys.authenticate((SELECT n.key FROM public.minting_named n WHERE n.name = $1)) $$;
RESET ROLE;

CREATE FUNCTION pg_temp.mint(workspace text, mode falukeys.key_mode DEFAULT 'test', permissions text[] DEFAULT NULL, networks cidr[] DEFAULT NULL,
	objects text[] DEFAULT '{object_1}', ttl interval DEFAULT '1 hour',
	OUT state text, OUT kind falukeys.key_kind, OUT in_mode falukeys.key_mode, OUT in_own boolean, OUT minted text)
LANGUAGE plpgsql AS $$
BEGIN
	SELECT made.key INTO minted FROM falukeys.create_temporary_key(workspace, mint.mode, objects, permissions, networks, ttl) made;
	state := '00000';
	kind := falukeys.kind_of(minted::falukeys.apikey);
	in_mode := falukeys.mode_of(minted::falukeys.apikey);
	in_own := workspace = falukeys.current_workspace_id();
EXCEPTION WHEN OTHERS THEN
	state := SQLSTATE;
END $$;
-- what a minted key may do, of what is asked here
CREATE FUNCTION pg_temp.codes(key text, OUT unasked text, OUT read text, OUT other text, OUT outside text, OUT object_3 text) LANGUAGE sql AS $$
	SELECT (SELECT code FROM falukeys.verify_key(key, NULL, '192.0.2.1', 'object_1')),
	       (SELECT code FROM falukeys.verify_key(key, 'minting.read', '192.0.2.1', 'object_1')),
	       (SELECT code FROM falukeys.verify_key(key, 'minting_other', '192.0.2.1', 'object_1')),
	       (SELECT code FROM falukeys.verify_key(key, NULL, '198.51.100.1', 'object_1')),
	       (SELECT code FROM falukeys.verify_key(key, NULL, '192.0.2.1', 'object_3'))
$$;
SET ROLE minting_app;
-- nobody
SELECT state FROM pg_temp.mint(:'workspace');
-- unrestricted: its own workspace and mode, and whatever limits
BEGIN;
SELECT pg_temp.take('first');
SELECT state, kind, in_mode, in_own, c.* FROM pg_temp.mint(:'workspace'), pg_temp.codes(minted) c;
SELECT state, kind, in_mode, in_own, c.* FROM pg_temp.mint(:'workspace', 'test', '{minting.read}', '{192.0.2.0/24}'), pg_temp.codes(minted) c;
SELECT state FROM pg_temp.mint(:'workspace', 'live');
SELECT state FROM pg_temp.mint(:'other', 'live');
SELECT state FROM pg_temp.mint(:'other');
SELECT state FROM pg_temp.mint('wksp_000000000000000000000000000');
SELECT state FROM pg_temp.mint(NULL);
SELECT state FROM pg_temp.mint(:'workspace', permissions => '{}');
SELECT state FROM pg_temp.mint(:'workspace', networks => '{}');
SELECT state FROM pg_temp.mint(:'workspace', objects => '{}');
SELECT state FROM pg_temp.mint(:'workspace', ttl => '25 hours');
-- and nothing else of its workspace's: an identity is no member
SAVEPOINT a;
SELECT id FROM falukeys.create_key(:'workspace', 'secret', 'test');
ROLLBACK TO a;
SELECT falukeys.revoke_key(pg_temp.id_of('first'));
ROLLBACK TO a;
SELECT falukeys.reveal_key(pg_temp.id_of('first'));
ROLLBACK TO a;
SELECT falukeys.restrict_key(pg_temp.id_of('first'), '{minting}');
ROLLBACK TO a;
SELECT count(*) FROM falukeys.dashboard;
COMMIT;
SELECT state FROM pg_temp.mint(:'workspace');
-- restricted to a permission
BEGIN;
SELECT pg_temp.take('reader');
SELECT state, c.* FROM pg_temp.mint(:'workspace', permissions => '{minting.read}'), pg_temp.codes(minted) c;
SELECT state, c.* FROM pg_temp.mint(:'workspace'), pg_temp.codes(minted) c;
SELECT state FROM pg_temp.mint(:'workspace', permissions => '{minting}');
SELECT state FROM pg_temp.mint(:'workspace', permissions => '{minting_other}');
SELECT state FROM pg_temp.mint(:'workspace', permissions => '{minting.read,minting_other}');
SELECT state FROM pg_temp.mint(:'workspace', permissions => '{}');
COMMIT;
-- to permissions that are lost, which does not lift the restriction
RESET ROLE;
BEGIN;
DELETE FROM falukeys.key_permissions WHERE key_id = pg_temp.id_of('reader');
SET LOCAL ROLE minting_app;
SELECT pg_temp.take('reader');
SELECT state, c.* FROM pg_temp.mint(:'workspace'), pg_temp.codes(minted) c;
SELECT state FROM pg_temp.mint(:'workspace', permissions => '{minting.read}');
ROLLBACK;
SET ROLE minting_app;
-- to networks
BEGIN;
SELECT code FROM falukeys.authenticate(pg_temp.key_of('network'), client => '192.0.2.9');
SELECT state, c.* FROM pg_temp.mint(:'workspace'), pg_temp.codes(minted) c;
SELECT state, c.* FROM pg_temp.mint(:'workspace', networks => '{192.0.2.0/28}'), pg_temp.codes(minted) c;
SELECT state FROM pg_temp.mint(:'workspace', networks => '{192.0.2.0/24}');
SELECT state FROM pg_temp.mint(:'workspace', networks => '{192.0.2.0/23}');
SELECT state FROM pg_temp.mint(:'workspace', networks => '{192.0.2.0/28,198.51.100.0/24}');
SELECT state FROM pg_temp.mint(:'workspace', networks => '{::/0}');
COMMIT;
-- to both
BEGIN;
SELECT code FROM falukeys.authenticate(pg_temp.key_of('both'), client => '192.0.2.9');
SELECT state, c.* FROM pg_temp.mint(:'workspace'), pg_temp.codes(minted) c;
SELECT state, c.* FROM pg_temp.mint(:'workspace', permissions => '{minting.read}', networks => '{2001:db8:1::/48,192.0.2.1/32}'), pg_temp.codes(minted) c;
SELECT state FROM pg_temp.mint(:'workspace', permissions => '{minting.read}', networks => '{2001:db9::/32}');
SELECT state FROM pg_temp.mint(:'workspace', permissions => '{minting_other}', networks => '{192.0.2.1/32}');
COMMIT;
-- neither a public key nor a temporary one
BEGIN;
SELECT pg_temp.take('public');
SELECT state FROM pg_temp.mint(:'workspace', 'live');
SELECT code FROM falukeys.authenticate(pg_temp.key_of('temporary'), object_id => 'object_1');
SELECT state FROM pg_temp.mint(:'workspace', permissions => '{minting.read}');
COMMIT;
-- the savepoint's end is the end of it
BEGIN;
SAVEPOINT a;
SELECT pg_temp.take('first');
ROLLBACK TO a;
SELECT state FROM pg_temp.mint(:'workspace');
SELECT pg_temp.take('first'), falukeys.deauthenticate();
SELECT state FROM pg_temp.mint(:'workspace');
COMMIT;
-- A role without any access may, with an identity that it was given; a member may whatever identity there is.
SET ROLE minting_nobody;
BEGIN;
SELECT minting_enter('first');
SELECT state, kind FROM pg_temp.mint(:'workspace');
COMMIT;
RESET ROLE;
SELECT falukeys.add_member(:'other', 'minting_app', 'developer');
SET ROLE minting_app;
BEGIN;
SELECT pg_temp.take('reader');
SELECT state, kind, in_own FROM pg_temp.mint(:'other', 'live', '{minting_other}');
COMMIT;
RESET ROLE;

-- What is on record: who minted, and that they are temporary, unsealed and of the right place
SELECT k.kind, k.mode, k.workspace_id = :'workspace' AS own, CASE k.created_by WHEN session_user THEN 'superuser' ELSE k.created_by END AS created_by,
       s.key_id IS NULL AS unsealed, CASE e.actor WHEN session_user THEN 'superuser' ELSE e.actor END AS actor, k.expires_at <= clock_timestamp() + interval '1 hour' AS within_the_hour, count(*)
  FROM falukeys.keys k LEFT JOIN falukeys.sealed_secrets s ON s.key_id = k.id JOIN falukeys.events e ON e.key_id = k.id AND e.event = 'key.created'
 WHERE k.workspace_id IN (:'workspace', :'other') AND k.kind = 'temporary' GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 3, 4, 8;
DROP FUNCTION minting_enter(text);
DROP TABLE minting_named;
SELECT falukeys.remove_member(:'other', 'minting_app');
DROP OWNED BY minting_app, minting_nobody;
DROP ROLE minting_app, minting_nobody;
