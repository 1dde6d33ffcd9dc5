--
-- attention: each row comes and goes with what causes it, and its remedy settles it
--
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT current_database() AS before \gset
CREATE DATABASE regress_falukeys_attention TEMPLATE template0;
\c regress_falukeys_attention
SET client_min_messages = warning;
SET jit = off;
CREATE EXTENSION falukeys;
CREATE ROLE regress_falukeys_developer;
CREATE ROLE regress_falukeys_other;
CREATE ROLE regress_falukeys_member;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_gone SUPERUSER;
SELECT falukeys.grant_access('regress_falukeys_operator', 'operator');
SELECT falukeys.create_workspace('Attention', 'regress_falukeys_developer') AS workspace,
	falukeys.create_workspace('Other', 'regress_falukeys_other') AS other \gset
SELECT falukeys.approve_workspace(:'workspace'), falukeys.approve_workspace(:'other'),
	falukeys.add_member(:'workspace', 'regress_falukeys_member', 'member');
-- The default keys would be in every answer.
SELECT count(falukeys.revoke_key(id)) FROM falukeys.keys WHERE mode = 'live';

-- A key by a name of its own, which is as old as it is told to be
CREATE TABLE named (name text PRIMARY KEY, id text, key text);
GRANT SELECT ON named TO PUBLIC;
CREATE FUNCTION make(name text, mode falukeys.key_mode DEFAULT 'live', age interval DEFAULT '0',
	kind falukeys.key_kind DEFAULT 'secret', reveal boolean DEFAULT true, networks cidr[] DEFAULT '{192.0.2.0/24}')
	RETURNS void LANGUAGE plpgsql AS $$
DECLARE made record;
BEGIN
	SELECT * INTO made FROM falukeys.create_key((SELECT id FROM falukeys.workspaces AS w WHERE w.name = 'Attention'),
		make.kind, make.mode, make.name, networks => CASE make.kind WHEN 'secret' THEN make.networks END,
		reveal => make.reveal);
	INSERT INTO named VALUES (make.name, made.id, made.key);
	SET LOCAL session_replication_role = replica;
	UPDATE falukeys.keys SET created_at = created_at - age WHERE id = made.id;
	SET LOCAL session_replication_role = origin;
END $$;
CREATE VIEW seen AS SELECT name, reason, replace(remedy, key_id, 'key_…') AS remedy, client
	FROM falukeys.attention JOIN named ON id = key_id ORDER BY name, reason;
-- Runs each remedy of a reason as a role.
CREATE FUNCTION settle(role text, reason text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE row record;
BEGIN
	FOR row IN SELECT * FROM falukeys.attention AS a JOIN named ON id = key_id
		WHERE a.reason = settle.reason ORDER BY name LOOP
		EXECUTE format('SET LOCAL ROLE %I', role);
		EXECUTE row.remedy;
		RESET ROLE;
		RETURN NEXT row.name;
	END LOOP;
END $$;

SELECT * FROM falukeys.attention;
SELECT make('fresh');
SELECT * FROM seen;

--
-- unrevealed
--
SELECT make('sealed', age => '7 days 1 minute', reveal => false),
	make('sealed lately', age => '6 days 23 hours', reveal => false),
	make('sealed test', 'test', age => '8 days', reveal => false),
	make('revealed', age => '8 days'),
	make('sealed and disabled', age => '8 days', reveal => false),
	make('sealed and revoked', age => '8 days', reveal => false);
SELECT falukeys.disable_key(id) FROM named WHERE name = 'sealed and disabled';
SELECT falukeys.revoke_key(id) FROM named WHERE name = 'sealed and revoked';
SELECT * FROM seen;
SELECT name, at = created_at AS since_it_was_created FROM falukeys.attention JOIN named ON id = key_id
	JOIN falukeys.keys USING (id);
-- A roll seals another secret, which then waits anew.
SELECT count(falukeys.roll_key(id, reveal => false)) FROM named WHERE name = 'sealed';
SELECT name FROM seen;
SET session_replication_role = replica;
UPDATE falukeys.retired_secrets SET retired_at = retired_at - interval '7 days', valid_until = retired_at
	- interval '7 days' WHERE key_id = (SELECT id FROM named WHERE name = 'sealed');
RESET session_replication_role;
SELECT name, at > created_at AND at = retired_at AS since_the_roll
	FROM falukeys.attention AS a JOIN named ON id = key_id
	JOIN falukeys.keys USING (id) JOIN falukeys.retired_secrets AS r ON r.key_id = id;
-- An operator may not reveal; a developer may.
\set VERBOSITY sqlstate
SELECT settle('regress_falukeys_operator', 'unrevealed');
\set VERBOSITY terse
SELECT settle('regress_falukeys_developer', 'unrevealed');
SELECT * FROM seen;

--
-- unrestricted: by the catalog of permissions, or else by the client that uses it, or else stopped
--
SELECT make('open', networks => NULL), make('open and used', networks => NULL),
	make('open and used from ::1', networks => NULL),
	make('open test', 'test', networks => NULL), make('open public', kind => 'public'),
	make('open and disabled', networks => NULL);
SELECT falukeys.disable_key(id) FROM named WHERE name = 'open and disabled';
INSERT INTO falukeys.key_usage (key_id, uses, last_used_at, last_client)
	SELECT id, 1, now(), CASE name WHEN 'open and used' THEN inet '192.0.2.7' ELSE '::1' END
	FROM named WHERE name ~ 'open and used';
SELECT * FROM seen;
BEGIN;
SELECT settle('regress_falukeys_developer', 'unrestricted');
SELECT * FROM seen;
SELECT d.description, d.networks, d.state FROM falukeys.dashboard AS d JOIN named ON id = key_id
	WHERE name ~ '^open' AND mode = 'live' AND kind = 'secret' ORDER BY 1;
ROLLBACK;
SELECT falukeys.define_permission('messages'), falukeys.define_permission('messages.read'),
	falukeys.define_permission('balances');
SELECT DISTINCT remedy FROM seen WHERE reason = 'unrestricted';
SELECT settle('regress_falukeys_developer', 'unrestricted');
SELECT * FROM seen;
SELECT d.description, d.permissions, d.state FROM falukeys.dashboard AS d JOIN named ON id = key_id
	WHERE name ~ '^open' AND mode = 'live' AND kind = 'secret' ORDER BY 1;

--
-- unused
--
SELECT make('never used', age => '91 days'), make('used long ago', age => '100 days'),
	make('used', age => '100 days'),
	make('young', age => '89 days'), make('not begun', age => '100 days'),
	make('unused test', 'test', age => '91 days'), make('unused public', age => '91 days', kind => 'public');
SELECT falukeys.set_key_validity(id, not_before => now() - interval '1 day') FROM named WHERE name = 'not begun';
INSERT INTO falukeys.key_usage (key_id, uses, last_used_at, last_client)
	SELECT id, 1, now() - CASE name WHEN 'used' THEN interval '89 days' ELSE '90 days 1 minute' END, '192.0.2.9'
	FROM named WHERE name IN ('used', 'used long ago');
SELECT * FROM seen;
SELECT name, at IS NULL AS never FROM falukeys.attention JOIN named ON id = key_id ORDER BY 1;
BEGIN;
UPDATE falukeys.key_usage SET last_used_at = now() WHERE key_id = (SELECT id FROM named WHERE name = 'used long ago');
SELECT name FROM seen;
ROLLBACK;
SELECT settle('regress_falukeys_developer', 'unused');
SELECT * FROM seen;

--
-- expiring
--
SELECT make('expires'), make('expires later'), make('expired'), make('expires, revoked'), make('expires, public',
	kind => 'public'), make('expires, not begun');
SELECT falukeys.set_key_validity(id, expires_at => clock_timestamp() + CASE name
		WHEN 'expires later' THEN interval '7 days 1 minute'
		WHEN 'expired' THEN '10 milliseconds'
		ELSE '6 days' END,
	not_before => CASE name WHEN 'expires, not begun' THEN now() + interval '1 day' END)
	FROM named WHERE name ~ '^expire';
SELECT falukeys.revoke_key(id) FROM named WHERE name = 'expires, revoked';
SELECT falukeys.create_temporary_key(:'workspace', 'live', '{object}') IS NOT NULL AS temporary;
SELECT pg_sleep(0.02);
SELECT * FROM seen;
SELECT count(*) AS of_temporary_keys FROM falukeys.attention WHERE key_id NOT IN (SELECT id FROM named);
SELECT settle('regress_falukeys_developer', 'expiring');
SELECT * FROM seen;

--
-- retired_secret
--
SELECT make('rolled'), make('in its grace'), make('leaked'), make('rolled and over'), make('presented before'),
	make('presented long ago');
SELECT count(falukeys.roll_key(id)) FROM named WHERE name IN ('rolled', 'rolled and over', 'presented long ago');
SELECT count(falukeys.roll_key(id, '1 day')) FROM named WHERE name IN ('in its grace', 'presented before');
SELECT count(falukeys.roll_key(id, '1 day')), count(falukeys.report_compromised_key(key)) FROM named
	WHERE name = 'leaked';
SELECT falukeys.revoke_key(id) FROM named WHERE name = 'rolled and over';
SELECT * FROM seen;
INSERT INTO falukeys.key_usage (key_id, uses, last_used_at, last_client, last_retired_at, last_retired_client)
	SELECT id, 1, now(), '192.0.2.1',
		CASE name WHEN 'presented before' THEN now() - interval '1 hour'
			WHEN 'presented long ago' THEN now() - interval '8 days' ELSE clock_timestamp() END, '192.0.2.99'
	FROM named WHERE name IN ('rolled', 'in its grace', 'leaked', 'rolled and over', 'presented before',
		'presented long ago');
SELECT * FROM seen;
SELECT bool_and(at = last_retired_at) AS last_time FROM falukeys.attention JOIN falukeys.key_usage USING (key_id);
SELECT settle('regress_falukeys_developer', 'retired_secret');
SELECT * FROM seen;
-- Presented again, it is there again: in the grace of the new roll, or after an end.
UPDATE falukeys.key_usage SET last_retired_at = clock_timestamp() FROM named
	WHERE id = key_id AND name IN ('rolled', 'in its grace', 'leaked');
SELECT * FROM seen;
SELECT settle('regress_falukeys_developer', 'retired_secret'), pg_sleep(0.01);
SELECT * FROM seen;

--
-- creator_gone
--
SET ROLE regress_falukeys_gone;
SELECT make('orphan'), make('orphan, rolled'), make('orphan, revoked'), make('orphan, public', kind => 'public'),
	make('orphan, disabled');
RESET ROLE;
SELECT * FROM seen;
SELECT count(falukeys.roll_key(id)) FROM named WHERE name = 'orphan, rolled';
SELECT falukeys.revoke_key(id) FROM named WHERE name = 'orphan, revoked';
SELECT falukeys.disable_key(id) FROM named WHERE name = 'orphan, disabled';
REASSIGN OWNED BY regress_falukeys_gone TO CURRENT_USER;
DROP ROLE regress_falukeys_gone;
SELECT * FROM seen;
SELECT settle('regress_falukeys_developer', 'creator_gone');
SELECT * FROM seen;

--
-- A stopped workspace
--
SELECT make('suspended', age => '8 days', reveal => false, networks => NULL);
SELECT name, reason FROM seen;
SELECT falukeys.suspend_workspace(:'workspace');
-- Live keys are refused, and the secret waits still.
SELECT name, reason FROM seen;
SELECT settle('regress_falukeys_developer', 'unrevealed');
SELECT falukeys.resume_workspace(:'workspace');
SELECT name, reason FROM seen;

--
-- Who sees what
--
CREATE FUNCTION rows_of(role text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	SELECT string_agg(DISTINCT w.name || ' ' || a.reason, ', ') INTO found FROM falukeys.attention AS a
		LEFT JOIN falukeys.workspace_list AS w ON w.id = a.workspace_id;
	RESET ROLE;
	RETURN found;
END $$;
SELECT id AS foreign_key FROM falukeys.create_key(:'other', 'secret', 'live') \gset
SELECT role, rows_of(role) FROM unnest('{developer,other,member,operator}'::text[]) AS role;
SET falukeys.acting_in = :'other';
SELECT role, rows_of(role) FROM unnest('{developer,other,member,operator}'::text[]) AS role;
RESET falukeys.acting_in;
-- The same rows, whichever branch they come by
SET ROLE regress_falukeys_developer;
CREATE TEMP TABLE own AS SELECT * FROM falukeys.attention;
RESET ROLE;
SELECT count(*) > 0 AS some FROM own;
(SELECT * FROM falukeys.attention WHERE workspace_id = :'workspace') EXCEPT TABLE own;
SET falukeys.acting_in = :'workspace';
(SELECT * FROM falukeys.attention) EXCEPT TABLE own;
RESET falukeys.acting_in;
-- A remedy quotes what it names.
SET session_replication_role = replica;
INSERT INTO falukeys.keys (id, workspace_id, secret, kind, mode, created_at, created_by)
	VALUES ($$key'); SELECT 1; --\$$, :'workspace', 'fskl_attentionattentionattention', 'secret', 'live', now(),
		CURRENT_USER);
RESET session_replication_role;
SELECT remedy FROM falukeys.attention WHERE key_id !~ '^key_';
INSERT INTO named SELECT 'odd', $$key'); SELECT 1; --\$$;
SELECT settle('regress_falukeys_developer', 'unrestricted');
SELECT name, reason FROM seen;
-- Nothing is changed through it.
UPDATE falukeys.attention SET reason = 'x';
-- What has no bound is not about to expire.
SELECT make('infinite');
SELECT falukeys.set_key_validity(id, '-infinity', 'infinity') FROM named WHERE name = 'infinite';
SELECT name FROM seen;

DROP EXTENSION falukeys CASCADE;
\c :before
DROP DATABASE regress_falukeys_attention;
DROP ROLE regress_falukeys_developer, regress_falukeys_other, regress_falukeys_member, regress_falukeys_operator;
