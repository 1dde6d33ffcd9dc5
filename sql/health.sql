--
-- health(): each item turns with what breaks it, and turns back by its hint
--
-- What needs another server or other settings is in t/044_health.pl.
--
\set VERBOSITY terse
SET client_min_messages = error;
SELECT current_database() AS before \gset
CREATE DATABASE regress_falukeys_health TEMPLATE template0;
\c regress_falukeys_health
SET client_min_messages = error;
SET jit = off;
CREATE EXTENSION falukeys;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_manager;
CREATE ROLE regress_falukeys_verifier;
CREATE ROLE regress_falukeys_nobody;
CREATE ROLE regress_falukeys_owner SUPERUSER;
SELECT falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_operator', 'delegate'),
	falukeys.grant_access('regress_falukeys_verifier', 'verifier'),
	falukeys.grant_access('regress_falukeys_manager', 'manager');
SELECT falukeys.create_workspace('Health') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');

CREATE FUNCTION seen(of text) RETURNS TABLE (state text, hint text) LANGUAGE sql
	AS $$ SELECT h.state, h.hint FROM falukeys.health(of = 'invariants') AS h WHERE item = of $$;
-- Runs what the hints of an item say, and tells what has become of it.
CREATE FUNCTION follow(of text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE statement text;
BEGIN
	FOR statement IN SELECT substring(hint FROM '^Run (.*?)(?:, since [^;]*)?\.$') FROM seen(of) LOOP
		EXECUTE statement;
	END LOOP;
	RETURN (SELECT string_agg(concat_ws(': ', state, hint), ' ') FROM seen(of));
END $$;

-- The items, and what is said of each
SELECT string_agg(DISTINCT item, ', ' ORDER BY item) FROM falukeys.health();
SELECT item, state, hint FROM falukeys.health() WHERE state NOT IN ('ok', 'off', 'warning', 'error')
	OR (state <> 'ok' AND hint !~ '^[A-Z0-9].*\.$');
-- Those that only this database decides
SELECT item, state, hint FROM falukeys.health()
	WHERE item IN ('unrevealed secrets', 'guard triggers', 'privileges', 'default privileges', 'invariants',
		'subscription');

-- Without those that read every table
SELECT item FROM falukeys.health() EXCEPT SELECT item FROM falukeys.health(false);
SELECT item FROM falukeys.health() EXCEPT SELECT item FROM falukeys.health(NULL);

--
-- Who may ask
--
\set VERBOSITY sqlstate
SET ROLE regress_falukeys_operator;
SELECT count(*) > 10 AS answered FROM falukeys.health();
SET falukeys.acting_in = :'workspace';
SELECT count(*) FROM falukeys.health();
RESET falukeys.acting_in;
SET ROLE regress_falukeys_manager;
SELECT count(*) FROM falukeys.health();
SET ROLE regress_falukeys_verifier;
SELECT count(*) FROM falukeys.health();
SET ROLE regress_falukeys_nobody;
SELECT count(*) FROM falukeys.health();
RESET ROLE;
\set VERBOSITY terse
-- It changes nothing, and leaves nothing behind.
BEGIN READ ONLY ISOLATION LEVEL SERIALIZABLE;
SET LOCAL ROLE regress_falukeys_operator;
SELECT count(*) > 10 AS answered FROM falukeys.health();
SAVEPOINT s;
SELECT count(*) > 10 AS answered FROM falukeys.health();
ROLLBACK TO s;
SELECT current_user, current_setting('search_path') AS search_path, current_setting('jit') AS jit;
COMMIT;

--
-- unrevealed secrets
--
SELECT id AS key_id FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
SELECT * FROM seen('unrevealed secrets');
SET session_replication_role = replica;
UPDATE falukeys.keys SET created_at = now() - interval '8 days' WHERE id = :'key_id';
RESET session_replication_role;
SELECT * FROM seen('unrevealed secrets');
DO $$ BEGIN PERFORM falukeys.reveal_key(key_id) FROM falukeys.attention WHERE reason = 'unrevealed'; END $$;
SELECT * FROM seen('unrevealed secrets');

--
-- guard triggers
--
CREATE VIEW guard AS SELECT tgrelid::regclass AS relation, tgname, tgenabled FROM pg_trigger AS t
	JOIN pg_class AS c ON c.oid = tgrelid WHERE relnamespace = 'falukeys'::regnamespace AND NOT tgisinternal;
CREATE TABLE guard_before AS SELECT * FROM guard;
-- Each of them, switched off or dropped
CREATE FUNCTION unguarded(how text) RETURNS TABLE (relation regclass, name name, said text) LANGUAGE plpgsql AS $$
BEGIN
	FOR relation, name IN SELECT g.relation, tgname FROM guard AS g LOOP
		BEGIN
			EXECUTE format(how, relation, name);
			said = (SELECT string_agg(state || ' ' || (hint ~ name AND hint ~ relation::text), ', ')
				FROM seen('guard triggers'));
			RAISE EXCEPTION USING ERRCODE = 'ZZ999';
		EXCEPTION WHEN SQLSTATE 'ZZ999' THEN NULL;
		END;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT said, count(*) = (SELECT count(*) FROM guard) AS each
	FROM unguarded('ALTER TABLE %s DISABLE TRIGGER %I') GROUP BY 1;
SELECT said, count(*) = (SELECT count(*) FROM guard) AS each
	FROM unguarded('DROP TRIGGER %2$I ON %1$s') GROUP BY 1;
SELECT * FROM seen('guard triggers');
-- As pg_restore --disable-triggers leaves them, and worse
ALTER TABLE falukeys.workspaces ENABLE TRIGGER ALL;
ALTER TABLE falukeys.keys DISABLE TRIGGER ALL;
ALTER TABLE falukeys.events ENABLE REPLICA TRIGGER keep;
SELECT * FROM seen('guard triggers') ORDER BY hint COLLATE "C";
SELECT follow('guard triggers');
ALTER TABLE falukeys.keys ENABLE TRIGGER ALL;
ALTER TABLE falukeys.keys ENABLE ALWAYS TRIGGER authorize_row;
(TABLE guard EXCEPT TABLE guard_before) ORDER BY 1, 2;

--
-- privileges
--
GRANT SELECT ON falukeys.keys TO regress_falukeys_nobody;
GRANT SELECT (secret), UPDATE (id) ON falukeys.keys TO regress_falukeys_nobody WITH GRANT OPTION;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON falukeys.events TO PUBLIC;
GRANT SELECT ON falukeys_internal.every_key TO regress_falukeys_nobody WITH GRANT OPTION;
GRANT CREATE ON SCHEMA falukeys TO regress_falukeys_nobody;
GRANT ALL ON SCHEMA falukeys_internal TO PUBLIC;
GRANT EXECUTE ON FUNCTION falukeys.rotate_master_key() TO PUBLIC;
-- Half a level is none, and a level is not to be handed on.
GRANT EXECUTE ON FUNCTION falukeys.verify_key TO regress_falukeys_nobody;
GRANT EXECUTE ON FUNCTION falukeys.authenticate TO regress_falukeys_operator;
GRANT EXECUTE ON FUNCTION falukeys.health TO regress_falukeys_operator WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION falukeys_internal.operator_access() TO PUBLIC;
ALTER TABLE falukeys.members OWNER TO regress_falukeys_owner;
ALTER FUNCTION falukeys.health OWNER TO regress_falukeys_owner;
ALTER SCHEMA falukeys_internal OWNER TO regress_falukeys_owner;
SELECT count(*) FROM seen('privileges') WHERE hint ~ 'OWNER';
ALTER ROLE regress_falukeys_owner NOSUPERUSER;
SELECT state, replace(hint, quote_ident(session_user), '?') AS hint FROM seen('privileges')
	ORDER BY replace(hint, quote_ident(session_user), '?') COLLATE "C";
SELECT follow('privileges');
-- What was taken away is no one's danger.
BEGIN;
REVOKE EXECUTE ON FUNCTION falukeys.create_key FROM PUBLIC;
REVOKE ALL ON FUNCTION falukeys.verify_key FROM regress_falukeys_verifier;
SELECT * FROM seen('privileges');
ROLLBACK;
-- What a level calls, without the level
BEGIN;
REVOKE EXECUTE ON FUNCTION falukeys_internal.verifier_access() FROM regress_falukeys_verifier;
SELECT count(*) > 5 AS without_the_marker FROM seen('privileges') WHERE state = 'error';
ROLLBACK;

--
-- default privileges
--
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT ON TABLES TO regress_falukeys_nobody;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO regress_falukeys_nobody;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_falukeys_manager IN SCHEMA falukeys GRANT SELECT ON TABLES TO PUBLIC;
-- These open nothing of ours.
ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO regress_falukeys_nobody;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_falukeys_manager GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
SELECT state, replace(hint, quote_ident(session_user), '?') AS hint FROM seen('default privileges')
	ORDER BY replace(hint, quote_ident(session_user), '?') COLLATE "C";
SELECT follow('default privileges');
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
SELECT * FROM seen('default privileges');
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
SELECT * FROM seen('default privileges');

--
-- invariants
--
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE falukeys.keys SET id = 'odd' WHERE id = :'key_id';
SELECT * FROM seen('invariants') WHERE hint ~ 'identifier';
ROLLBACK;
SELECT * FROM seen('invariants');

--
-- master key: seals that do not open
--
BEGIN;
SET LOCAL session_replication_role = replica;
ALTER TABLE falukeys.sealed_secrets DISABLE TRIGGER ALL;
UPDATE falukeys.sealed_secrets SET seal = overlay(seal PLACING '\x0102030405060708' FROM 3)
	WHERE get_byte(seal, 1) = 1;
SELECT state, hint FROM seen('master key') WHERE hint ~ 'sealed under';
ROLLBACK;
SELECT count(*) AS unknown FROM seen('master key') WHERE hint ~ 'sealed under';
-- A copy
SELECT id AS waits FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
\c :before
SET client_min_messages = error;
CREATE DATABASE regress_falukeys_copy TEMPLATE regress_falukeys_health;
\c regress_falukeys_copy
SET client_min_messages = error;
SELECT hint FROM seen('master key') WHERE hint ~ 'adopt';
SELECT falukeys.adopt_sealed_secrets() > 0 AS adopted;
SELECT hint FROM seen('master key') WHERE hint ~ 'adopt';
\c regress_falukeys_health
SET client_min_messages = error;
DROP DATABASE regress_falukeys_copy;
SELECT hint FROM seen('master key') WHERE hint ~ 'adopt';

--
-- What is broken beyond what it looks for is an item's error, and hides no other.
--
ALTER VIEW falukeys_internal.every_broken_invariant RENAME TO moved;
ALTER VIEW falukeys_internal.every_attention RENAME TO moved_too;
SELECT item, state, hint FROM falukeys.health()
	WHERE item IN ('unrevealed secrets', 'guard triggers', 'privileges', 'invariants');
ALTER VIEW falukeys_internal.moved RENAME TO every_broken_invariant;
ALTER VIEW falukeys_internal.moved_too RENAME TO every_attention;
SELECT item, state, hint FROM falukeys.health() WHERE item IN ('unrevealed secrets', 'invariants');
-- Unless someone wants it to stop
SET statement_timeout = '1ms';
SELECT count(*) FROM falukeys.health(), pg_sleep(0.01);
RESET statement_timeout;

\c :before
DROP DATABASE regress_falukeys_health;
DROP ROLE regress_falukeys_operator, regress_falukeys_manager, regress_falukeys_verifier, regress_falukeys_nobody,
	regress_falukeys_owner;
