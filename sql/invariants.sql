--
-- What must hold between the rows of the tables
--
\set VERBOSITY terse
-- In a database of its own: other tests leave what a restore had not finished, and many keys.
SELECT current_database() AS before \gset
CREATE DATABASE regress_falukeys_invariants;
\c regress_falukeys_invariants
CREATE EXTENSION falukeys;

CREATE ROLE regress_falukeys_administrator;
CREATE ROLE regress_falukeys_second;
CREATE ROLE regress_falukeys_verifier;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_manager;
SELECT falukeys.grant_access('regress_falukeys_verifier', 'verifier'),
	falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_manager', 'manager');

-- A bit of everything
CREATE TEMP TABLE named (name text PRIMARY KEY, id text);
SELECT falukeys.create_workspace('Invariants', 'regress_falukeys_administrator') AS workspace,
	falukeys.create_workspace('Invariants, pending') AS pending \gset
SELECT falukeys.approve_workspace(:'workspace'), falukeys.define_permission('invariants'),
	falukeys.define_permission('invariants.more');
INSERT INTO named VALUES ('workspace', :'workspace'), ('pending', :'pending');
INSERT INTO named SELECT concat_ws(' ', 'pair', kind, mode), id FROM falukeys.keys WHERE workspace_id = :'workspace';
INSERT INTO named SELECT concat_ws(' ', 'pending', kind, mode), id FROM falukeys.keys WHERE workspace_id = :'pending';
INSERT INTO named
	SELECT 'sealed', id FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false)
	UNION ALL SELECT 'shown', id FROM falukeys.create_key(:'workspace', 'secret', 'live')
	UNION ALL SELECT 'test', id FROM falukeys.create_key(:'workspace', 'secret', 'test')
	UNION ALL SELECT 'public', id FROM falukeys.create_key(:'workspace', 'public', 'test')
	UNION ALL SELECT 'restricted', id FROM falukeys.create_key(:'workspace', 'secret', 'live',
		permissions => '{invariants}', networks => '{192.0.2.0/24}')
	UNION ALL SELECT 'rolled', id FROM falukeys.create_key(:'workspace', 'secret', 'live')
	UNION ALL SELECT 'parent', id FROM falukeys.create_key(:'workspace', 'secret', 'test')
	UNION ALL SELECT 'disabled', id FROM falukeys.create_key(:'workspace', 'secret', 'test')
	UNION ALL SELECT 'revoked', id FROM falukeys.create_key(:'workspace', 'secret', 'test')
	UNION ALL SELECT 'temporary', id FROM falukeys.create_temporary_key(:'workspace', 'live', '{a,b}')
	UNION ALL SELECT 'purged', id FROM falukeys.create_temporary_key(:'workspace', 'live', '{a}', ttl => '1 s')
	UNION ALL SELECT 'imported', falukeys.import_key(:'workspace', 'fskt_invariantsinvariantsinvariants');
SELECT id AS sealed FROM named WHERE name = 'sealed' \gset
SELECT id AS shown FROM named WHERE name = 'shown' \gset
SELECT id AS test FROM named WHERE name = 'test' \gset
SELECT id AS public FROM named WHERE name = 'public' \gset
SELECT id AS restricted FROM named WHERE name = 'restricted' \gset
SELECT id AS rolled FROM named WHERE name = 'rolled' \gset
SELECT id AS parent FROM named WHERE name = 'parent' \gset
SELECT id AS disabled FROM named WHERE name = 'disabled' \gset
SELECT id AS revoked FROM named WHERE name = 'revoked' \gset
SELECT id AS temporary FROM named WHERE name = 'temporary' \gset
SELECT id AS purged FROM named WHERE name = 'purged' \gset
SELECT id AS imported FROM named WHERE name = 'imported' \gset
SELECT falukeys.restrict_key(:'temporary', '{invariants.more}'),
	count(falukeys.roll_key(:'rolled', '1 day')), falukeys.disable_key(:'disabled'),
	falukeys.revoke_key(:'revoked'), falukeys.revoke_key(:'purged');
SELECT falukeys.purge_keys('0') > 0 AS purged;
SELECT key AS parent_key FROM falukeys.roll_key(:'parent') \gset
BEGIN;
SET LOCAL ROLE regress_falukeys_verifier;
SELECT code FROM falukeys.authenticate(:'parent_key');
SELECT id AS minted FROM falukeys.create_temporary_key(:'workspace', 'test', '{a}') \gset
COMMIT;
INSERT INTO named VALUES ('minted', :'minted');
SELECT parent_key_id = :'parent' AS has_parent FROM falukeys.keys WHERE id = :'minted';
SELECT count(falukeys.roll_key(:'parent', '1 day'));
SELECT key AS leaked FROM falukeys.roll_key(:'shown') \gset
SELECT falukeys.report_compromised_key(:'leaked') = :'shown' AS reported;
SELECT count(falukeys.roll_key(:'shown'));

-- All is well.
SELECT * FROM falukeys.broken_invariants();

-- Breaks something where no trigger fires, shows what is told of it, and undoes it.
CREATE FUNCTION pg_temp.broken_by(statement text) RETURNS TABLE (invariant text, name text) LANGUAGE plpgsql AS $$
DECLARE
	told text[];
BEGIN
	SET LOCAL session_replication_role = replica;
	ALTER TABLE falukeys.sealed_secrets DISABLE TRIGGER ALL;
	EXECUTE statement;
	told := ARRAY(SELECT ARRAY[b.invariant, coalesce(n.name, b.id)]
		FROM falukeys.broken_invariants() AS b
			LEFT JOIN named AS n USING (id) ORDER BY b.invariant COLLATE "C", coalesce(n.name, b.id));
	RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION WHEN SQLSTATE 'ZZ999' THEN
	RETURN QUERY SELECT told[n][1], told[n][2] FROM generate_series(1, array_length(told, 1)) AS n;
END $$;
SET client_min_messages = error;
SELECT * FROM pg_temp.broken_by('SELECT');

--
-- Each is broken
--
\pset format unaligned
\pset tuples_only on

-- identifier
SELECT * FROM pg_temp.broken_by(format($$
	UPDATE falukeys.events SET key_id = 'key_x' WHERE key_id = %1$L;
	UPDATE falukeys.sealed_secrets SET key_id = 'key_x' WHERE key_id = %1$L;
	UPDATE falukeys.keys SET id = 'key_x' WHERE id = %1$L$$, :'test'));

-- one_key_a_digest: in both tables, and under another kind
SELECT * FROM pg_temp.broken_by(format($$INSERT INTO falukeys.retired_secrets
	SELECT secret, id, now(), now() FROM falukeys.keys WHERE id = %L$$, :'test'));
SELECT * FROM pg_temp.broken_by(format($$INSERT INTO falukeys.retired_secrets
	SELECT overlay(falukeys_internal.apikey_out(secret)::text PLACING 'p' FROM 2 FOR 1)::falukeys.apikey,
		%L, now(), now() FROM falukeys.keys WHERE id = %L$$, :'public', :'test'));

-- secret
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET mode = 'test' WHERE id = %L$$, :'shown'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET kind = 'public' WHERE id = %L$$, :'imported'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET public_key = NULL WHERE id = %L$$, :'public'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET public_key = 'x' WHERE id = %L$$, :'public'));
SELECT * FROM pg_temp.broken_by(format(
	$$UPDATE falukeys.keys SET public_key = 'fpkt_invariantsinvariantsinvariants' WHERE id = %L$$, :'public'));
SELECT * FROM pg_temp.broken_by(format(
	$$UPDATE falukeys.keys SET public_key = 'fskt_invariantsinvariantsinvariants' WHERE id = %L$$, :'imported'));

-- validity
SELECT * FROM pg_temp.broken_by(format($$ALTER TABLE falukeys.keys DROP CONSTRAINT keys_validity_check;
	UPDATE falukeys.keys SET not_before = now(), expires_at = now() WHERE id = %L$$, :'test'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET expires_at = NULL WHERE id = %L$$, :'temporary'));

-- workspace
SELECT * FROM pg_temp.broken_by(format($$DELETE FROM falukeys.workspaces WHERE id = %L$$, :'pending'));
SELECT * FROM pg_temp.broken_by($$INSERT INTO falukeys.members
	VALUES ('nowhere', 'regress_falukeys_second', 'member')$$);

-- approval, and with it workspace_state
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET workspace_id = %L WHERE id = %L$$,
	:'pending', :'restricted'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.workspaces SET approved_at = now() WHERE id = %L$$,
	:'pending'));
SELECT * FROM pg_temp.broken_by(format($$ALTER TABLE falukeys.workspaces DROP CONSTRAINT workspaces_approved_check;
	UPDATE falukeys.workspaces SET state = 'approved' WHERE id = %L$$, :'pending'));
SELECT * FROM pg_temp.broken_by(format(
	$$UPDATE falukeys.workspaces SET state = 'suspended', suspended_from = 'approved' WHERE id = %L$$, :'pending'));
SELECT * FROM pg_temp.broken_by(format(
	$$UPDATE falukeys.workspaces SET state = 'suspended', suspended_from = 'closed' WHERE id = %L$$, :'pending'));
SELECT * FROM pg_temp.broken_by(format($$ALTER TABLE falukeys.workspaces DROP CONSTRAINT workspaces_suspended_check;
	UPDATE falukeys.workspaces SET state = 'suspended' WHERE id = %L$$, :'pending'));

-- pair
SELECT * FROM pg_temp.broken_by(format($$INSERT INTO falukeys.workspaces (id, name, created_at, created_by,
	state_changed_at) VALUES (%L, 'Half', now(), 'x', now())$$, 'wksp_' || repeat('0', 27)));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET workspace_id = %L
	WHERE workspace_id = %L AND kind = 'public' AND mode = 'live'$$, :'pending', :'workspace'));

-- administrator: removed, demoted; not where a role is gone, or another one is there
SELECT * FROM pg_temp.broken_by(format($$DELETE FROM falukeys.members WHERE workspace_id = %L$$, :'workspace'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.members SET role = 'developer' WHERE workspace_id = %L$$,
	:'workspace'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.members SET member = 'regress_falukeys_second'
	WHERE workspace_id = %L$$, :'workspace'));
SELECT * FROM pg_temp.broken_by(format($$DELETE FROM falukeys.members WHERE workspace_id = %L;
	ALTER ROLE regress_falukeys_administrator RENAME TO regress_falukeys_other$$, :'workspace'));

-- public_unrestricted
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET permissions_restricted = true WHERE id = %L$$,
	:'public'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET networks_restricted = true WHERE id = %L$$,
	:'public'));

-- restricted: rows that restrict nothing, and of no key
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET permissions_restricted = false WHERE id = %L$$,
	:'restricted'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET networks_restricted = false WHERE id = %L$$,
	:'restricted'));
SELECT * FROM pg_temp.broken_by($$INSERT INTO falukeys.key_permissions VALUES ('nothing', 'invariants')$$);
SELECT * FROM pg_temp.broken_by($$INSERT INTO falukeys.key_networks VALUES ('nothing', '192.0.2.0/24')$$);
SELECT * FROM pg_temp.broken_by($$INSERT INTO falukeys.key_objects VALUES ('nothing', 'a')$$);

-- permission
SELECT * FROM pg_temp.broken_by($$DELETE FROM falukeys.permissions WHERE name = 'invariants'$$);

-- objects: of a key of another kind; none of a temporary key
SELECT * FROM pg_temp.broken_by(format($$INSERT INTO falukeys.key_objects VALUES (%L, 'a')$$, :'test'));
SELECT * FROM pg_temp.broken_by(format($$DELETE FROM falukeys.key_objects WHERE key_id = %L$$, :'temporary'));

-- parent
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET parent_secret = NULL WHERE id = %L$$, :'minted'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET parent_key_id = NULL WHERE id = %L$$, :'minted'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET parent_key_id = 'key_x' WHERE id = %L$$, :'minted'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET parent_key_id = %L WHERE id = %L$$,
	:'test', :'minted'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys AS k SET parent_key_id = p.id, parent_secret = p.secret
	FROM falukeys.keys AS p WHERE p.id = %L AND k.id = %L$$, :'shown', :'minted'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys AS k SET parent_key_id = p.id, parent_secret = p.secret
	FROM falukeys.keys AS p WHERE p.workspace_id = %L AND p.kind = 'secret' AND k.id = %L$$, :'pending', :'minted'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys AS k SET parent_key_id = p.id, parent_secret = p.secret
	FROM falukeys.keys AS p WHERE p.id = %L AND k.id = %L$$, :'parent', :'test'));

-- retired_secret: of no key, of another kind or mode, good for too long
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.retired_secrets SET key_id = 'key_x' WHERE key_id = %L$$,
	:'rolled'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.retired_secrets SET key_id = %L WHERE key_id = %L$$,
	:'public', :'rolled'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.retired_secrets SET key_id = %L WHERE key_id = %L$$,
	:'test', :'rolled'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.retired_secrets
	SET valid_until = retired_at + interval '721 hours' WHERE key_id = %L$$, :'rolled'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.retired_secrets
	SET compromised_at = NULL WHERE key_id = %L$$, :'shown'));

-- sealed_secret: of no key, of another's secret, no seal, half revealed, gone
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.sealed_secrets SET key_id = 'key_x' WHERE key_id = %L$$,
	:'sealed'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.sealed_secrets SET key_id = %L WHERE key_id = %L$$,
	:'shown', :'sealed'));
SELECT * FROM pg_temp.broken_by(format($$INSERT INTO falukeys.sealed_secrets
	SELECT k.secret, k.id, s.seal FROM falukeys.sealed_secrets AS s, falukeys.keys AS k
	WHERE s.key_id = %L AND k.id = %L$$, :'sealed', :'temporary'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.sealed_secrets SET seal = '\x0101' WHERE key_id = %L$$,
	:'sealed'));
SELECT * FROM pg_temp.broken_by(format(
	$$UPDATE falukeys.sealed_secrets SET seal = set_byte(seal, 0, 2) WHERE key_id = %L$$, :'sealed'));
SELECT * FROM pg_temp.broken_by(format(
	$$UPDATE falukeys.sealed_secrets SET first_saved_in = 'x' WHERE key_id = %L$$, :'sealed'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.sealed_secrets SET revealed_at = now() WHERE key_id = %L$$,
	:'sealed'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.sealed_secrets SET revealed_by = 'x' WHERE key_id = %L$$,
	:'sealed'));
SELECT * FROM pg_temp.broken_by(format(
	$$UPDATE falukeys.sealed_secrets SET seal = set_byte(seal, 1, 2) WHERE key_id = %L$$, :'sealed'));
SELECT * FROM pg_temp.broken_by(format(
	$$UPDATE falukeys.sealed_secrets SET seal = set_byte(seal, 1, 1) WHERE key_id = %L AND revealed_at < now()$$,
	:'rolled'));
SELECT * FROM pg_temp.broken_by(format(
	$$UPDATE falukeys.sealed_secrets SET seal = set_byte(seal, 103, 1) WHERE key_id = %L$$, :'rolled'));
SELECT * FROM pg_temp.broken_by(format(
	$$UPDATE falukeys.sealed_secrets SET revealed_at = 'infinity' WHERE key_id = %L$$, :'rolled'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.sealed_secrets AS s SET seal = o.seal, revealed_at = now()
	FROM falukeys.sealed_secrets AS o WHERE s.key_id = %L AND o.key_id = %L$$, :'test', :'rolled'));
SELECT * FROM pg_temp.broken_by(format($$DELETE FROM falukeys.sealed_secrets WHERE key_id = %L$$, :'sealed'));

-- usage
SELECT * FROM pg_temp.broken_by($$INSERT INTO falukeys.key_usage VALUES ('nothing', 1, 1)$$);
SELECT * FROM pg_temp.broken_by(format($$INSERT INTO falukeys.key_usage VALUES (%L, -1, 1)$$, :'purged'));
SELECT * FROM pg_temp.broken_by(format($$DELETE FROM falukeys.key_usage WHERE key_id = %1$L;
	INSERT INTO falukeys.key_usage VALUES (%1$L, 1, -1)$$, :'test'));

-- recorded: a key that no event tells of, and one that only events tell of
SELECT * FROM pg_temp.broken_by(format($$DELETE FROM falukeys.events WHERE event = 'key.created' AND key_id = %L$$,
	:'public'));
SELECT * FROM pg_temp.broken_by(format($$DELETE FROM falukeys.retired_secrets WHERE key_id = %L$$, :'purged'));
SELECT * FROM pg_temp.broken_by(format($$DELETE FROM falukeys.keys WHERE id = %L$$, :'public'));

-- state: what ended, or was disabled, is good again; and what nobody has ended
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET revoked_at = NULL WHERE id = %L$$, :'revoked'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET revoked_at = now() WHERE id = %L$$, :'test'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET compromised_at = now() WHERE id = %L$$, :'test'));
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET disabled = false WHERE id = %L$$, :'disabled'));
SELECT falukeys.enable_key(:'disabled');
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET disabled = true WHERE id = %L$$, :'disabled'));
UPDATE falukeys.keys SET compromised_at = now() WHERE id = :'disabled';
SELECT * FROM pg_temp.broken_by(format($$UPDATE falukeys.keys SET compromised_at = NULL WHERE id = %L$$, :'disabled'));

-- mode_settings
SELECT * FROM pg_temp.broken_by($$DELETE FROM falukeys.mode_settings WHERE mode = 'live'$$);

--
-- What is allowed breaks nothing
--
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.broken_after(statement text) RETURNS TABLE (invariant text, name text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN QUERY SELECT b.invariant, coalesce(n.name, b.id)
		FROM falukeys.broken_invariants() AS b
			LEFT JOIN named AS n USING (id);
END $$;
SELECT * FROM pg_temp.broken_after(format($$SELECT falukeys.reveal_key(%L), falukeys.reveal_key(%L)$$,
	:'sealed', :'test'));
-- By hand
SELECT * FROM pg_temp.broken_after(format($$DELETE FROM falukeys.key_objects WHERE key_id = %L$$, :'temporary'));
SELECT * FROM pg_temp.broken_after(format($$DELETE FROM falukeys.key_permissions WHERE key_id = %L$$, :'restricted'));
SELECT * FROM pg_temp.broken_after(format($$INSERT INTO falukeys.keys (workspace_id, secret, disabled, revoked_at)
	VALUES (%L, 'fskt_invariantsinvariantsinvariant2', true, now())$$, :'workspace'));
SELECT * FROM pg_temp.broken_after(format($$INSERT INTO falukeys.keys (workspace_id, secret)
	SELECT %L, ('fskt_invariantsinvariantsinv' || n)::falukeys.apikey FROM generate_series(10000, 12000) AS n$$,
	:'workspace'));
SELECT * FROM pg_temp.broken_after(format($$INSERT INTO falukeys.retired_secrets
	VALUES ('fskl_invariantsinvariantsinvariant3', %L, now(), now() + '30 days')$$, :'rolled'));
SELECT * FROM pg_temp.broken_after(format($$UPDATE falukeys.workspaces SET state = 'suspended' WHERE id IN (%L, %L)$$,
	:'workspace', :'pending'));
SELECT * FROM pg_temp.broken_after(format($$UPDATE falukeys.workspaces SET state = 'closed' WHERE id IN (%L, %L)$$,
	:'workspace', :'pending'));
SELECT * FROM pg_temp.broken_after(format($$SELECT falukeys.add_member(%L, 'regress_falukeys_second', 'administrator'),
	falukeys.remove_member(%1$L, 'regress_falukeys_administrator')$$, :'workspace'));
DROP ROLE regress_falukeys_second;
SELECT * FROM pg_temp.broken_after('SELECT');
SELECT * FROM pg_temp.broken_after(format($$DELETE FROM falukeys.members WHERE workspace_id = %L$$, :'workspace'));
CREATE ROLE regress_falukeys_second;
SELECT * FROM pg_temp.broken_after('SELECT');
DROP ROLE regress_falukeys_second;

--
-- Who may ask
--
SET ROLE regress_falukeys_administrator;
SELECT * FROM falukeys.broken_invariants();
SELECT * FROM falukeys_internal.every_broken_invariant;
SET ROLE regress_falukeys_operator;
SELECT * FROM falukeys.broken_invariants() LIMIT 0;
SELECT * FROM falukeys_internal.every_broken_invariant;
SET ROLE regress_falukeys_manager;
SELECT * FROM falukeys.broken_invariants() LIMIT 0;
SET falukeys.acting_in = :'workspace';
SELECT * FROM falukeys.broken_invariants();
RESET falukeys.acting_in;
RESET ROLE;

-- No search_path has it call something else.
CREATE SCHEMA invariants_elsewhere;
CREATE FUNCTION invariants_elsewhere.equal(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT 1 / 0 = 0';
CREATE OPERATOR invariants_elsewhere.= (LEFTARG = text, RIGHTARG = text, FUNCTION = invariants_elsewhere.equal);
SET search_path = invariants_elsewhere, pg_catalog;
SELECT invariant, id FROM falukeys.broken_invariants() LIMIT 0;
RESET search_path;

\c :before
DROP DATABASE regress_falukeys_invariants;
DROP ROLE regress_falukeys_administrator, regress_falukeys_verifier, regress_falukeys_operator,
	regress_falukeys_manager;
