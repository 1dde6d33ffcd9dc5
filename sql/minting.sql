--
-- Temporary keys created by a secret key's holder: for its own workspace and mode, within its own limits
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT count(falukeys.define_permission(name)) AS defined
	FROM unnest('{minting,minting.read,minting_other}'::text[]) name;
SELECT falukeys.create_workspace('Minting') AS workspace, falukeys.create_workspace('Minting, other') AS other \gset
SELECT count(falukeys.approve_workspace(id)) AS approved FROM unnest(ARRAY[:'workspace', :'other']) id;

CREATE ROLE minting_app;
SELECT falukeys.grant_access('minting_app', 'verifier');
CREATE ROLE minting_nobody;

CREATE TABLE minting_named AS
	SELECT 'first' AS name, made.* FROM falukeys.create_key(:'workspace', 'secret', 'test') made
	UNION ALL SELECT 'public', made.* FROM falukeys.create_key(:'workspace', 'public', 'live') made
	UNION ALL SELECT 'reader', made.* FROM falukeys.create_key(:'workspace', 'secret', 'test',
		permissions => '{minting.read}') made
	UNION ALL SELECT 'network', made.* FROM falukeys.create_key(:'workspace', 'secret', 'test',
		networks => '{192.0.2.0/24}') made
	UNION ALL SELECT 'both', made.* FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{minting}',
		networks => '{192.0.2.0/24,2001:db8::/32}') made
	UNION ALL SELECT 'temporary', made.*
	FROM falukeys.create_temporary_key(:'workspace', 'test', '{object_1}', '{minting.read}') made;
GRANT SELECT ON minting_named TO PUBLIC;
CREATE FUNCTION pg_temp.id_of(name text) RETURNS text LANGUAGE sql
	AS $$ SELECT id FROM minting_named n WHERE n.name = id_of.name $$;
CREATE FUNCTION pg_temp.key_of(name text) RETURNS text LANGUAGE sql
	AS $$ SELECT key FROM minting_named n WHERE n.name = key_of.name $$;
CREATE FUNCTION pg_temp.take(name text) RETURNS text LANGUAGE sql
	AS $$ SELECT code FROM falukeys.authenticate(pg_temp.key_of(name)) $$;
GRANT CREATE ON SCHEMA public TO minting_app;
SET ROLE minting_app;
CREATE FUNCTION minting_enter(name text) RETURNS text LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT code FROM falukeys.authenticate((SELECT n.key FROM public.minting_named n WHERE n.name = $1)) $$;
RESET ROLE;

CREATE FUNCTION pg_temp.mint(workspace text, mode falukeys.key_mode DEFAULT 'test', permissions text[] DEFAULT NULL,
	networks cidr[] DEFAULT NULL,
	objects text[] DEFAULT '{object_1}', ttl interval DEFAULT '1 hour',
	OUT state text, OUT kind falukeys.key_kind, OUT in_mode falukeys.key_mode, OUT in_own boolean, OUT minted text)
LANGUAGE plpgsql AS $$
BEGIN
	SELECT made.key INTO minted FROM falukeys.create_temporary_key(workspace, mint.mode, objects, permissions,
		networks, ttl) made;
	state := '00000';
	kind := falukeys.kind_of(minted::falukeys.apikey);
	in_mode := falukeys.mode_of(minted::falukeys.apikey);
	in_own := workspace = falukeys.current_workspace_id();
EXCEPTION WHEN OTHERS THEN
	state := SQLSTATE;
END $$;
-- what a minted key may do, of what is asked here
CREATE FUNCTION pg_temp.codes(key text, OUT unasked text, OUT read text, OUT other text, OUT outside text,
	OUT object_3 text) LANGUAGE sql AS $$
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
SELECT state, kind, in_mode, in_own, c.*
	FROM pg_temp.mint(:'workspace', 'test', '{minting.read}', '{192.0.2.0/24}'), pg_temp.codes(minted) c;
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
SELECT state, c.* FROM pg_temp.mint(:'workspace', permissions => '{minting.read}',
	networks => '{2001:db8:1::/48,192.0.2.1/32}'), pg_temp.codes(minted) c;
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
SELECT k.kind, k.mode, k.workspace_id = :'workspace' AS own,
	CASE k.created_by WHEN session_user THEN 'superuser' ELSE k.created_by END AS created_by,
       s.key_id IS NULL AS unsealed, CASE e.actor WHEN session_user THEN 'superuser' ELSE e.actor END AS actor,
       k.expires_at <= clock_timestamp() + interval '1 hour' AS within_the_hour, count(*)
  FROM falukeys.keys k LEFT JOIN falukeys.sealed_secrets s ON s.key_id = k.id
  JOIN falukeys.events e ON e.key_id = k.id AND e.event = 'key.created'
 WHERE k.workspace_id IN (:'workspace', :'other') AND k.kind = 'temporary' GROUP BY 1, 2, 3, 4, 5, 6, 7
 ORDER BY 3, 4, 8;

--
-- What an identity minted lives no longer than the secret that minted it.
--
SELECT falukeys.create_workspace('Minting, parents') AS family \gset
SELECT falukeys.approve_workspace(:'family');
CREATE TABLE minting_child (name text PRIMARY KEY, parent text, parent_key text, id text, key text);
GRANT SELECT, INSERT ON minting_child TO minting_app;
-- a child of a secret; without one, of a new secret key
CREATE FUNCTION pg_temp.bear(name text, workspace text, mode falukeys.key_mode DEFAULT 'test',
	parent_key text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE parent_id text; child record;
BEGIN
	IF parent_key IS NULL THEN
		SELECT made.id, made.key INTO parent_id, parent_key FROM falukeys.create_key(workspace, 'secret', mode) made;
	END IF;
	SET LOCAL ROLE minting_app;
	SELECT key_id INTO parent_id FROM falukeys.authenticate(parent_key);
	SELECT * INTO child FROM falukeys.create_temporary_key(workspace, mode, '{object_1}', ttl => '30 minutes');
	INSERT INTO minting_child VALUES (name, parent_id, parent_key, child.id, child.key);
	PERFORM falukeys.deauthenticate();
	RESET ROLE;
	RETURN (SELECT code FROM falukeys.verify_key(child.key, object_id => 'object_1'));
END $$;
CREATE FUNCTION pg_temp.parent(name text) RETURNS text LANGUAGE sql
	AS $$ SELECT parent FROM minting_child c WHERE c.name = parent.name $$;
CREATE FUNCTION pg_temp.child(name text) RETURNS text LANGUAGE sql
	AS $$ SELECT code FROM minting_child c, falukeys.verify_key(c.key, object_id => 'object_1')
		WHERE c.name = child.name $$;
CREATE FUNCTION pg_temp.pair(name text, OUT parent_code text, OUT child_code text) LANGUAGE sql AS $$
	SELECT (SELECT code FROM falukeys.verify_key(parent_key)), pg_temp.child(c.name) FROM minting_child c
	WHERE c.name = pair.name
$$;
SELECT name, pg_temp.bear(name, :'family')
	FROM unnest(
		'{rolled,graced,reported,reported_retired,ended_grace,revoked,disabled,early,expired,restricted}'::text[]) name;
SELECT pg_temp.bear('live', :'family', 'live');
-- who the parent is: in the row, in the event and on the dashboard
SELECT count(*), count(*) FILTER (WHERE k.parent_key_id = c.parent) AS in_row,
	count(*) FILTER (WHERE k.parent_secret OPERATOR(falukeys.=) falukeys.apikey_of(c.parent_key)) AS secret_in_row,
       count(*) FILTER (WHERE e.detail ->> 'parent' = c.parent) AS in_event,
       count(*) FILTER (WHERE d.parent_key_id = c.parent) AS on_dashboard
  FROM minting_child c JOIN falukeys.keys k USING (id)
  JOIN falukeys.events e ON e.key_id = c.id AND e.event = 'key.created'
  JOIN falukeys.dashboard d ON d.key_id = c.id;
SELECT count(*) AS of_others FROM falukeys.keys
	WHERE kind <> 'temporary' AND (parent_key_id IS NOT NULL OR parent_secret IS NOT NULL);
-- a member's has none, whatever identity there is
BEGIN;
SELECT code FROM falukeys.authenticate((SELECT parent_key FROM minting_child WHERE name = 'restricted'));
SELECT id AS of_member FROM falukeys.create_temporary_key(:'family', 'test', '{object_1}') \gset
COMMIT;
SELECT parent_key_id, parent_secret FROM falukeys.keys WHERE id = :'of_member';
SELECT detail FROM falukeys.events WHERE key_id = :'of_member';

SELECT id IS NOT NULL AS rolled FROM falukeys.roll_key(pg_temp.parent('rolled'));
SELECT * FROM pg_temp.pair('rolled');
-- The dashboard says the same as verification.
SELECT count(*) AS shown_otherwise FROM minting_child c JOIN falukeys.dashboard d ON d.key_id = c.id
	WHERE d.state <> pg_temp.child(c.name);
-- In a grace the old secret goes on, and what it minted, also what it mints now; a child of the new one is its own.
SELECT key AS graced_new FROM falukeys.roll_key(pg_temp.parent('graced'), '1 hour') \gset
SELECT pg_temp.bear('graced_later', :'family', parent_key => parent_key) FROM minting_child WHERE name = 'graced';
SELECT pg_temp.bear('graced_new', :'family', parent_key => :'graced_new');
SELECT name, pg_temp.child(name) FROM minting_child WHERE name ~ '^graced' ORDER BY name;
SELECT count(*) AS shown_otherwise FROM minting_child c JOIN falukeys.dashboard d ON d.key_id = c.id
	WHERE d.state <> pg_temp.child(c.name);
SELECT falukeys.end_grace(pg_temp.parent('graced'));
SELECT name, pair.* FROM minting_child c, pg_temp.pair(c.name) WHERE name ~ '^graced' ORDER BY name;
SELECT id IS NOT NULL AS rolled FROM falukeys.roll_key(pg_temp.parent('ended_grace'), '200 milliseconds');
SELECT falukeys.report_compromised_key(parent_key) = parent AS reported FROM minting_child WHERE name = 'reported';
SELECT * FROM pg_temp.pair('reported');
SELECT id IS NOT NULL AS rolled FROM falukeys.roll_key(pg_temp.parent('reported_retired'), '1 hour');
SELECT falukeys.report_compromised_key(parent_key) = parent AS reported FROM minting_child
	WHERE name = 'reported_retired';
SELECT * FROM pg_temp.pair('reported_retired');
SELECT falukeys.disable_key(pg_temp.parent('disabled'));
SELECT * FROM pg_temp.pair('disabled');
SELECT falukeys.enable_key(pg_temp.parent('disabled'));
SELECT * FROM pg_temp.pair('disabled');
SELECT falukeys.revoke_key(pg_temp.parent('revoked'));
SELECT * FROM pg_temp.pair('revoked');
SELECT falukeys.set_key_validity(pg_temp.parent('early'), not_before => now() + interval '1 hour');
SELECT * FROM pg_temp.pair('early');
SELECT falukeys.set_key_validity(pg_temp.parent('expired'), expires_at => now());
SELECT * FROM pg_temp.pair('expired');
-- The parent's restrictions hold when it mints, and not for what it has minted.
SELECT falukeys.restrict_key(pg_temp.parent('restricted'), '{minting}', '{192.0.2.0/24}');
SELECT * FROM pg_temp.pair('restricted');
SELECT pg_sleep(0.3);
SELECT * FROM pg_temp.pair('ended_grace');

-- The verdict is filled from the child, also by its handle and in a SERIALIZABLE transaction.
SELECT code, v.key_id = c.id AS child, v.kind, v.expires_at > now() AS later
	FROM minting_child c, falukeys.verify_key(c.key, object_id => 'object_1') v WHERE name = 'revoked';
SELECT falukeys.handle_allows(falukeys.apikey_of(key), NULL, NULL) FROM minting_child WHERE name = 'revoked';
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT name, pg_temp.child(name) FROM minting_child ORDER BY name COLLATE "C";
COMMIT;
SELECT code FROM minting_child c, falukeys.authenticate(c.key, object_id => 'object_1') WHERE name = 'revoked';
\echo :LAST_ERROR_MESSAGE
-- Of the child's and the parent's codes, the first in the order
SELECT falukeys.disable_key(id) FROM minting_child WHERE name IN ('revoked', 'early');
SELECT name, pg_temp.child(name) FROM minting_child WHERE name IN ('revoked', 'early') ORDER BY name;
SELECT count(*) AS shown_otherwise FROM minting_child c JOIN falukeys.dashboard d ON d.key_id = c.id
	WHERE d.state <> pg_temp.child(c.name);
SELECT code FROM minting_child c, falukeys.verify_key(c.key) WHERE name IN ('restricted', 'rolled') ORDER BY name;
-- the workspace's state
SELECT falukeys.suspend_workspace(:'family');
SELECT count(*) AS shown_otherwise FROM minting_child c JOIN falukeys.dashboard d ON d.key_id = c.id
	WHERE d.state <> pg_temp.child(c.name);
SELECT * FROM pg_temp.pair('live');
SELECT * FROM pg_temp.pair('restricted');
SELECT falukeys.resume_workspace(:'family');
SELECT * FROM pg_temp.pair('live');
-- A report of the child ends the child alone.
SELECT falukeys.report_compromised_key(key) = id AS reported FROM minting_child WHERE name = 'live';
SELECT * FROM pg_temp.pair('live');

-- Nobody changes the parent, or gives one that cannot be.
SELECT id AS child FROM minting_child WHERE name = 'restricted' \gset
UPDATE falukeys.keys SET parent_key_id = NULL, parent_secret = NULL WHERE id = :'child';
UPDATE falukeys.keys SET parent_secret = NULL WHERE id = :'child';
UPDATE falukeys.keys SET parent_key_id = pg_temp.parent('revoked') WHERE id = :'child';
CREATE FUNCTION pg_temp.restored(secret falukeys.apikey, parent_key_id text, parent_secret falukeys.apikey) RETURNS text
	LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO falukeys.keys (id, workspace_id, secret, expires_at, imported, parent_key_id, parent_secret)
		SELECT 'key_2ZZ000000000000000000000001', workspace_id, restored.secret, now() + interval '10 minutes', false,
			restored.parent_key_id, restored.parent_secret
		  FROM falukeys.keys WHERE id = pg_temp.parent('restricted');
	RETURN (SELECT code FROM falukeys.verify_key('ftkt_restoredrestoredrestored', object_id => 'o'));
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT pg_temp.restored('fskt_restoredrestoredrestored', parent, parent_key::falukeys.apikey) FROM minting_child
	WHERE name = 'restricted';
SELECT pg_temp.restored('ftkt_restoredrestoredrestored', parent, NULL) FROM minting_child WHERE name = 'restricted';
SELECT pg_temp.restored('ftkt_restoredrestoredrestored', NULL, parent_key::falukeys.apikey) FROM minting_child
	WHERE name = 'restricted';
SELECT pg_temp.restored('ftkt_restoredrestoredrestored', parent, parent_key::falukeys.apikey) FROM minting_child
	WHERE name = 'live';
SELECT pg_temp.restored('ftkt_restoredrestoredrestored', id, parent_key::falukeys.apikey) FROM minting_child
	WHERE name = 'restricted';
SELECT pg_temp.restored('ftkt_restoredrestoredrestored',
	(SELECT id FROM falukeys.keys WHERE workspace_id = :'other' AND kind = 'secret' AND mode = 'test'),
	parent_key::falukeys.apikey) FROM minting_child WHERE name = 'restricted';
-- One whose parent is not there, or not yet, is as unknown as that one.
BEGIN;
SELECT pg_temp.restored('ftkt_restoredrestoredrestored', 'key_2ZZ000000000000000000000000',
	'fskt_notthereyetnotthereyet');
INSERT INTO falukeys.keys (id, workspace_id, secret, imported)
	VALUES ('key_2ZZ000000000000000000000000', :'family', 'fskt_notthereyetnotthereyet', false);
SELECT code FROM falukeys.verify_key('ftkt_restoredrestoredrestored', object_id => 'o');
ROLLBACK;

-- Networks are compared as verification compares them: IPv4 in IPv6 is IPv4, and in no network of IPv6.
CREATE FUNCTION pg_temp.minted_networks(parents cidr[], asked cidr[], client inet, OUT of_parent text,
	OUT of_child text) LANGUAGE plpgsql AS $$
DECLARE parent record; child record;
BEGIN
	SELECT * INTO parent FROM falukeys.create_key((SELECT id FROM falukeys.workspaces WHERE name = 'Minting, parents'),
		'secret', 'test', networks => parents);
	of_parent := (SELECT code FROM falukeys.verify_key(parent.key, client => minted_networks.client));
	SET LOCAL ROLE minting_app;
	PERFORM falukeys.authenticate(parent.key, client => host(parents[1])::inet);
	SELECT * INTO child FROM falukeys.create_temporary_key(falukeys.current_workspace_id(), 'test', '{object_1}',
		networks => asked);
	PERFORM falukeys.deauthenticate();
	RESET ROLE;
	of_child := (SELECT code FROM falukeys.verify_key(child.key, client => minted_networks.client,
		object_id => 'object_1'));
EXCEPTION WHEN insufficient_privilege THEN
	of_child := SQLSTATE;
END $$;
SELECT number, n.* FROM (VALUES
	(1, '{::/0}'::cidr[], '{::ffff:0.0.0.0/96}'::cidr[], '192.0.2.1'::inet),
		(2, '{::/0}', '{::ffff:192.0.2.0/120}', '192.0.2.1'), (3, '{::/0}', '{::fffe:0:0/95}', '192.0.2.1'),
		(4, '{::/0}', '{0.0.0.0/0}', '192.0.2.1'),
	(5, '{::/0}', '{2001:db8::/32}', '2001:db8::1'), (6, '{0.0.0.0/0}', '{::ffff:192.0.2.0/120}', '192.0.2.1'),
		(7, '{::ffff:192.0.2.0/120}', '{192.0.2.0/25}', '::ffff:192.0.2.1'),
	(8, '{::ffff:192.0.2.0/120}', '{192.0.0.0/16}', '192.0.2.1'), (9, '{0.0.0.0/0}', '{::/0}', '192.0.2.1'),
		(10, '{192.0.2.0/25,192.0.2.128/25}', '{192.0.2.0/24}', '192.0.2.1')) c(number, parents, asked, client),
	pg_temp.minted_networks(parents, asked, client) n ORDER BY number;
DROP TABLE minting_child;
DROP FUNCTION minting_enter(text);
DROP TABLE minting_named;
SELECT falukeys.remove_member(:'other', 'minting_app');
DROP OWNED BY minting_app, minting_nobody;
DROP ROLE minting_app, minting_nobody;
