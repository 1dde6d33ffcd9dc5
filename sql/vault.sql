--
-- Reveal once: for one live secret at most one call ever returns its plaintext.
-- What crashes and copies do to that is for the TAP tests.
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.create_workspace('Vault') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT id AS live FROM falukeys.keys WHERE workspace_id = :'workspace' AND kind = 'secret' AND mode = 'live' \gset
SELECT id AS test FROM falukeys.keys WHERE workspace_id = :'workspace' AND kind = 'secret' AND mode = 'test' \gset
SELECT id AS public_live FROM falukeys.keys WHERE workspace_id = :'workspace' AND kind = 'public' AND mode = 'live'
	\gset
SELECT id AS public_test FROM falukeys.keys WHERE workspace_id = :'workspace' AND kind = 'public' AND mode = 'test'
	\gset

CREATE FUNCTION pg_temp.refusal(key_id text, OUT code text, OUT message text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM falukeys.reveal_key(key_id);
	code := '00000';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	message := replace(message, key_id, 'KEY');
END $$;

-- Public keys and test secrets: always
SELECT falukeys.reveal_key(:'public_test') = public_key AS first,
	falukeys.reveal_key(:'public_test') = public_key AS again FROM falukeys.keys WHERE id = :'public_test';
SELECT falukeys.reveal_key(:'public_live') = public_key AS first,
	falukeys.reveal_key(:'public_live') = public_key AS again FROM falukeys.keys WHERE id = :'public_live';
SELECT falukeys.reveal_key(:'test') AS test_key \gset
SELECT falukeys.reveal_key(:'test', 'the test vault') = :'test_key' AS again;
SELECT code, key_id = :'test' AS key_id FROM falukeys.verify_key(:'test_key');

-- A live secret: once, with where it is kept
SELECT ctid, xmin, octet_length(seal) AS length, md5(seal) AS digest FROM falukeys.sealed_secrets WHERE key_id = :'live'
	\gset seal_
SELECT falukeys.reveal_key(:'live',
	'password manager, beside fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys') AS live_key \gset
SELECT :'live_key' ~ '^fskl_[0-9A-Za-z]{49}$' AS matching;
SELECT code, key_id = :'live' AS key_id FROM falukeys.verify_key(:'live_key');
SELECT falukeys.reveal_key(:'live');
SELECT falukeys.reveal_key(:'live', 'elsewhere');
SELECT * FROM pg_temp.refusal(:'live');
-- Time, role and place of the first reveal are kept.
SELECT saved_in, revealed_at BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp() AS revealed_now,
       revealed_by::text = current_user AS revealed_by_me
  FROM falukeys.dashboard WHERE key_id = :'live';
-- The mark is in place: the same row, as long as before, and another seal.
SELECT ctid = :'seal_ctid' AND xmin = :'seal_xmin' AS same_row, octet_length(seal) = :seal_length AS same_length,
	md5(seal) <> :'seal_digest' AS spent
  FROM falukeys.sealed_secrets WHERE key_id = :'live';

--
-- Rolling back gives no second reveal.
--
SELECT id AS rolled_back FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
BEGIN;
SELECT falukeys.reveal_key(:'rolled_back', 'lost with the transaction') AS key \gset
ROLLBACK;
SELECT code, key_id = :'rolled_back' AS key_id FROM falukeys.verify_key(:'key');
SELECT * FROM pg_temp.refusal(:'rolled_back');
SELECT revealed_at IS NOT NULL AS revealed, revealed_by::text = current_user AS by_me FROM falukeys.dashboard
	WHERE key_id = :'rolled_back';
SELECT rtrim(first_saved_in) AS first_saved_in FROM falukeys.sealed_secrets WHERE key_id = :'rolled_back';

SELECT id AS savepoint FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
BEGIN;
SAVEPOINT before;
SELECT falukeys.reveal_key(:'savepoint') AS key \gset
ROLLBACK TO before;
SELECT * FROM pg_temp.refusal(:'savepoint');
COMMIT;
SELECT * FROM pg_temp.refusal(:'savepoint');
SELECT code FROM falukeys.verify_key(:'key');

-- Nor do an error in the same statement, or two calls in one statement.
SELECT id AS erring FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
SELECT 1 / (length(falukeys.reveal_key(:'erring')) - length(falukeys.reveal_key(:'test'))) AS division_by_zero;
SELECT * FROM pg_temp.refusal(:'erring');
SELECT id AS twice FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
SELECT falukeys.reveal_key(:'twice'), falukeys.reveal_key(:'twice');
SELECT * FROM pg_temp.refusal(:'twice');

-- An old snapshot does not bring it back.
SELECT id AS old_snapshot FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) AS keys FROM falukeys.sealed_secrets WHERE key_id = :'old_snapshot';
SELECT falukeys.reveal_key(:'old_snapshot') IS NOT NULL AS revealed;
SELECT * FROM pg_temp.refusal(:'old_snapshot');
COMMIT;
SELECT * FROM pg_temp.refusal(:'old_snapshot');

-- Revealed in the transaction that made it
BEGIN;
SELECT id AS same FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
SELECT falukeys.reveal_key(:'same') ~ '^fskl_[0-9A-Za-z]{49}$' AS revealed;
SELECT * FROM pg_temp.refusal(:'same');
COMMIT;
SELECT * FROM pg_temp.refusal(:'same');

--
-- In a read-only transaction a live reveal is refused and not used up.
--
SELECT id AS read_only FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
BEGIN READ ONLY;
SELECT falukeys.reveal_key(:'read_only');
ROLLBACK;
BEGIN READ ONLY;
-- what is always shown is shown here too
SELECT falukeys.reveal_key(:'test') = :'test_key' AS test_secret,
	falukeys.reveal_key(:'public_live') IS NOT NULL AS public;
COMMIT;
SELECT revealed_at FROM falukeys.dashboard WHERE key_id = :'read_only';
SELECT falukeys.reveal_key(:'read_only') ~ '^fskl_[0-9A-Za-z]{49}$' AS revealed;
SELECT * FROM pg_temp.refusal(:'read_only');

--
-- What create_key and roll_key show was the one reveal of a live secret.
--
SELECT id AS shown, key AS shown_key FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT code FROM falukeys.verify_key(:'shown_key');
SELECT * FROM pg_temp.refusal(:'shown');
SELECT revealed_at IS NOT NULL AS revealed, revealed_by::text = current_user AS by_me FROM falukeys.dashboard
	WHERE key_id = :'shown';
SELECT key AS shown_key FROM falukeys.roll_key(:'shown') \gset
SELECT code FROM falukeys.verify_key(:'shown_key');
SELECT * FROM pg_temp.refusal(:'shown');
-- A roll that does not show it gives one reveal of the new secret, and so does the next roll.
SELECT key FROM falukeys.roll_key(:'shown', reveal => false);
SELECT revealed_at, revealed_by, saved_in FROM falukeys.dashboard WHERE key_id = :'shown';
SELECT falukeys.reveal_key(:'shown', 'second place') AS shown_key \gset
SELECT code FROM falukeys.verify_key(:'shown_key');
SELECT * FROM pg_temp.refusal(:'shown');
SELECT key FROM falukeys.roll_key(:'shown', reveal => false);
SELECT key FROM falukeys.roll_key(:'shown', '1 day', reveal => false);
SELECT falukeys.reveal_key(:'shown') AS shown_key \gset
SELECT code FROM falukeys.verify_key(:'shown_key');
SELECT * FROM pg_temp.refusal(:'shown');
-- A roll that is rolled back leaves the sealed secret as it was.
SELECT id AS unrolled FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
BEGIN;
SELECT key AS lost_key FROM falukeys.roll_key(:'unrolled') \gset
ROLLBACK;
SELECT falukeys.reveal_key(:'unrolled') AS key \gset
SELECT :'key' <> :'lost_key' AS other, code FROM falukeys.verify_key(:'key');
SELECT code FROM falukeys.verify_key(:'lost_key');
SELECT * FROM pg_temp.refusal(:'unrolled');
-- nor does a roll that is rolled back give a spent one back
BEGIN;
SELECT key FROM falukeys.roll_key(:'unrolled', reveal => false);
ROLLBACK;
SELECT * FROM pg_temp.refusal(:'unrolled');

-- The same for test secrets, but for the limit
SELECT id AS test_shown, key AS test_shown_key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.reveal_key(:'test_shown') = :'test_shown_key' AS shown,
	falukeys.reveal_key(:'test_shown') = :'test_shown_key' AS again;

-- A live secret that was disabled, restricted or is not yet valid can still be fetched.
SELECT id AS restricted FROM falukeys.create_key(:'workspace', 'secret', 'live', not_before => now() + interval '1 day',
	networks => '{192.0.2.0/24}', reveal => false) \gset
SELECT falukeys.disable_key(:'restricted');
SELECT falukeys.reveal_key(:'restricted') ~ '^fskl_[0-9A-Za-z]{49}$' AS revealed;

-- A long note is cut for the mark, between two characters, and kept in full with the key.
SELECT id AS long FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
SELECT falukeys.reveal_key(:'long', 'x' || repeat(chr(233), 500)) IS NOT NULL AS revealed;
SELECT length(k.saved_in) AS kept, octet_length(first_saved_in) AS mark,
	rtrim(first_saved_in) = 'x' || repeat(chr(233), 95) AS cut
  FROM falukeys.sealed_secrets JOIN falukeys.keys k ON k.id = key_id WHERE k.id = :'long';

-- Imported and temporary keys, by name of what is wrong
SELECT falukeys.import_key(:'workspace', 'fskl_vaultimportvaultimportvaultimport') AS imported \gset
SELECT id AS temporary FROM falukeys.create_temporary_key(:'workspace', 'live', '{object}') \gset
SELECT * FROM pg_temp.refusal(:'imported');
SELECT * FROM pg_temp.refusal(:'temporary');
SELECT falukeys.reveal_key(NULL);
SELECT falukeys.reveal_key('key_000000000000000000000000000');

--
-- A row for each secret made here, all of one length, never moved, and no plaintext in any
--
SELECT count(*) AS seals, count(DISTINCT octet_length(seal)) AS lengths,
       count(*) FILTER (WHERE position(convert_to(:'shown_key', 'UTF8') IN seal) > 0
                           OR position(convert_to(substr(:'shown_key', 6, 20), 'UTF8') IN seal) > 0
                           OR position(convert_to(:'test_key', 'UTF8') IN seal) > 0
                           OR position(convert_to(substr(:'test_key', 6, 20), 'UTF8') IN seal) > 0) AS readable
  FROM falukeys.keys k JOIN falukeys.sealed_secrets s ON s.secret OPERATOR(falukeys.=) k.secret
  WHERE id IN (:'shown', :'test');
SELECT attstorage FROM pg_attribute WHERE attrelid = 'falukeys.sealed_secrets'::regclass AND attname = 'seal';
