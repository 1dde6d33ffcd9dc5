--
-- The master key, which is outside the database.
-- A missing, wrong or readable key file is for the TAP tests.
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.create_workspace('Master key') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT id AS live FROM falukeys.keys WHERE workspace_id = :'workspace' AND kind = 'secret' AND mode = 'live' \gset
SELECT id AS test FROM falukeys.keys WHERE workspace_id = :'workspace' AND kind = 'secret' AND mode = 'test' \gset

-- Where it is can be told by no one who is connected.
SELECT name, setting, boot_val, context, vartype FROM pg_settings WHERE name LIKE 'falukeys.master%' ORDER BY name;
SET falukeys.master_key_file = 'elsewhere.key';
SET falukeys.master_key_command = 'echo';
CREATE ROLE regress_falukeys_nobody;
SET ROLE regress_falukeys_nobody;
SHOW falukeys.master_key_file;
SHOW falukeys.master_key_command;
SELECT falukeys.rotate_master_key();
SELECT falukeys.adopt_sealed_secrets();
RESET ROLE;
DROP ROLE regress_falukeys_nobody;

-- Made at first need, which a sealed secret was; nothing of it is in the database.
SELECT size >= 64 AS long_enough, isdir FROM pg_stat_file('falukeys.key');
SELECT count(*) AS seals FROM falukeys.sealed_secrets
 WHERE position(substr(pg_read_binary_file('falukeys.key'), 1, 64) IN seal) > 0
    OR position(decode(substr(pg_read_file('falukeys.key'), 1, 64), 'hex') IN seal) > 0;

--
-- rotate_master_key() seals everything anew, and changes nothing else
--
SELECT id AS spent FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
SELECT falukeys.reveal_key(:'spent', 'spent before') IS NOT NULL AS revealed;
SELECT falukeys.reveal_key(:'test') AS test_key \gset
CREATE TABLE master_key_before AS
SELECT s.key_id, s.secret, s.seal, md5(pg_read_file('falukeys.key')) AS file FROM falukeys.sealed_secrets s;
SET client_min_messages = warning;
SELECT falukeys.rotate_master_key() > 0 AS rotated;
RESET client_min_messages;
SELECT count(*) FILTER (WHERE b.file <> md5(pg_read_file('falukeys.key'))) = count(*) AS other_master_key,
       count(*) FILTER (WHERE s.seal = b.seal AND s.key_id IN (:'live', :'test')) AS still_sealed_as_before,
       count(*) FILTER (WHERE octet_length(s.seal) <> octet_length(b.seal)) AS other_length,
       count(*) = (SELECT count(*) FROM falukeys.sealed_secrets) AS all_rows
  FROM master_key_before b JOIN falukeys.sealed_secrets s ON s.key_id = b.key_id
      AND s.secret OPERATOR(falukeys.=) b.secret;
-- Test secrets open as before, spent live ones stay spent, and others open once.
SELECT falukeys.reveal_key(:'test') = :'test_key' AS test_secret;
SELECT falukeys.reveal_key(:'spent');
SELECT saved_in FROM falukeys.dashboard WHERE key_id = :'spent';
SELECT falukeys.reveal_key(:'live') AS live_key \gset
SELECT code, key_id = :'live' AS key_id FROM falukeys.verify_key(:'live_key');
SELECT falukeys.reveal_key(:'live');

-- A rotation that is rolled back has happened all the same, as a reveal has: all is readable.
SELECT id AS live FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
BEGIN;
SET client_min_messages = warning;
SELECT falukeys.rotate_master_key() > 0 AS rotated;
RESET client_min_messages;
ROLLBACK;
SELECT falukeys.reveal_key(:'test') = :'test_key' AS test_secret;
SELECT falukeys.reveal_key(:'live') ~ '^fskl_[0-9A-Za-z]{49}$' AS live_secret;
SELECT falukeys.reveal_key(:'live');

--
-- adopt_sealed_secrets() finds nothing to do where everything was sealed here, and revives nothing.
--
SELECT falukeys.adopt_sealed_secrets();
SELECT falukeys.reveal_key(:'live');
SELECT falukeys.reveal_key(:'test') = :'test_key' AS test_secret;

DROP TABLE master_key_before;
