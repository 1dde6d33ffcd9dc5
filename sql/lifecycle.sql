--
-- Keys: roll, grace, disable, enable, revoke, validity, purge
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission('lifecycle.read');
SELECT falukeys.create_workspace('Lifecycle') AS workspace \gset
SELECT falukeys.create_workspace('Lifecycle, other') AS other \gset
SELECT id AS secret, key AS secret_key
  FROM falukeys.create_key(:'workspace', 'secret', 'test', 'for the billing service', '{lifecycle.read}',
      '{192.0.2.0/24,2001:db8::/32}',
	clock_timestamp() + interval '1 day', clock_timestamp() - interval '1 day', '{"team": "billing"}') \gset
SELECT id AS public, key AS public_key FROM falukeys.create_key(:'workspace', 'public', 'test') \gset
SELECT falukeys.import_key(:'workspace', 'fskt_importedbeforeitwasrolled') AS imported_secret \gset

CREATE FUNCTION pg_temp.duplicate(statement text, OUT code text, OUT message text, OUT detail text, OUT shown boolean)
	LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	code := '00000';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
	shown := concat(message, detail, hint) ~ 'f[spt]k[tl]_[0-9A-Za-z]|[0-9a-f]{32}';
END $$;

--
-- roll_key: a new secret for the same key, the old one dead at once
--
SELECT id AS rolled, key AS rolled_key FROM falukeys.roll_key(:'secret') \gset
SELECT :'rolled' = :'secret' AS same_id, :'rolled_key' <> :'secret_key' AS new_key,
	:'rolled_key' ~ '^fskt_[0-9A-Za-z]{49}$' AS matching;
SELECT code, key_id = :'secret' AS key_id FROM falukeys.verify_key(:'secret_key', 'lifecycle.read', '192.0.2.1');
SELECT code, key_id = :'secret' AS key_id, meta FROM falukeys.verify_key(:'rolled_key', 'lifecycle.read', '192.0.2.1');
SELECT description, meta, permissions_restricted, networks_restricted,
	secret OPERATOR(falukeys.=) falukeys.apikey_of(:'rolled_key') AS digest FROM falukeys.keys WHERE id = :'secret';
SELECT permission FROM falukeys.key_permissions WHERE key_id = :'secret';
SELECT network FROM falukeys.key_networks WHERE key_id = :'secret' ORDER BY network;
-- The retired digest stays taken, in every form.
SELECT duplicate.code, duplicate.detail, shown
  FROM unnest(ARRAY[
	format('SELECT falukeys.import_key(%L, %L)', :'other', :'secret_key'),
	format('SELECT falukeys.import_key(%L, %L)', :'workspace', :'secret_key'),
	format('SELECT falukeys.import_key_digest(%L, %L)', :'other',
		'fskt_****0000:' || encode(sha256(convert_to(:'secret_key', 'UTF8')), 'hex')),
	format('INSERT INTO falukeys.keys (workspace_id, kind, mode, secret) VALUES (%L, %L, %L, %L)', :'other', 'secret',
		'test', :'secret_key'),
	format('UPDATE falukeys.keys SET secret = %L WHERE id = %L', :'secret_key', :'secret')
	]) statement, pg_temp.duplicate(statement);
-- The new secret can be revealed: a test secret, always.
SELECT falukeys.reveal_key(:'secret') = :'rolled_key' AS revealed;
SELECT falukeys.reveal_key(:'secret') = :'rolled_key' AS revealed;

-- Without reveal the new secret waits, sealed.
SELECT id = :'secret' AS same_id, key FROM falukeys.roll_key(:'secret', reveal => false);
SELECT code FROM falukeys.verify_key(:'rolled_key', 'lifecycle.read', '192.0.2.1');
SELECT falukeys.reveal_key(:'secret') AS rolled_key \gset
SELECT code FROM falukeys.verify_key(:'rolled_key', 'lifecycle.read', '192.0.2.1');

-- A public key's text is replaced with it.
SELECT key AS rolled_key FROM falukeys.roll_key(:'public') \gset
SELECT public_key = :'rolled_key' AS replaced, falukeys.reveal_key(id) = :'rolled_key' AS revealed FROM falukeys.keys
	WHERE id = :'public';
SELECT k.name, code FROM (VALUES ('old', :'public_key'), ('new', :'rolled_key')) k(name, key), falukeys.verify_key(key)
	ORDER BY 1;
-- An imported key gets a secret made here, which can be revealed.
SELECT id = :'imported_secret' AS same_id, key AS rolled_key FROM falukeys.roll_key(:'imported_secret') \gset
SELECT falukeys.reveal_key(:'imported_secret') = :'rolled_key' AS revealed;
SELECT code FROM falukeys.verify_key('fskt_importedbeforeitwasrolled');

--
-- Grace
--
SELECT id AS graced, key AS first FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT key AS second FROM falukeys.roll_key(:'graced', '1 hour') \gset
SELECT k.name, code, key_id = :'graced' AS key_id
	FROM (VALUES ('first', :'first'), ('second', :'second')) k(name, key), falukeys.verify_key(key) ORDER BY 1;
SELECT valid_until - retired_at BETWEEN interval '59 minutes' AND interval '61 minutes' AS an_hour
	FROM falukeys.retired_secrets WHERE key_id = :'graced';
-- A roll during a grace ends the older secret at once.
SELECT key AS third FROM falukeys.roll_key(:'graced', '1 hour') \gset
SELECT k.name, code FROM (VALUES (1, 'first', :'first'), (2, 'second', :'second'), (3, 'third', :'third')) k(number,
	name, key), falukeys.verify_key(key) ORDER BY number;
-- So does end_grace alone.
SELECT falukeys.end_grace(:'graced');
SELECT k.name, code FROM (VALUES (1, 'first', :'first'), (2, 'second', :'second'), (3, 'third', :'third')) k(number,
	name, key), falukeys.verify_key(key) ORDER BY number;
SELECT falukeys.end_grace(NULL);
SELECT falukeys.end_grace('key_000000000000000000000000000');
-- At most 30 days, and no less than none
SELECT id IS NOT NULL AS rolled FROM falukeys.roll_key(:'graced', '30 days');
SELECT id IS NOT NULL AS rolled FROM falukeys.roll_key(:'graced', '0');
SELECT * FROM falukeys.roll_key(:'graced', '30 days 1 second');
\echo :LAST_ERROR_MESSAGE
SELECT * FROM falukeys.roll_key(:'graced', '-1 second');
-- A year is compared as 360 days, and added as what it is.
SELECT * FROM falukeys.roll_key(:'graced', '-12 months 360 days');
SELECT * FROM falukeys.roll_key(:'graced', '1 year');
SELECT * FROM falukeys.roll_key(:'graced', NULL);
-- Never past the key's expiry
SELECT id AS expiring, key AS first FROM falukeys.create_key(:'workspace', 'secret', 'test',
	expires_at => clock_timestamp() + interval '10 minutes') \gset
SELECT id IS NOT NULL AS rolled FROM falukeys.roll_key(:'expiring', '1 hour');
SELECT valid_until = expires_at AS ends_with_the_key FROM falukeys.retired_secrets r
	JOIN falukeys.keys k ON k.id = key_id WHERE key_id = :'expiring';
-- nor after it is moved away
SELECT falukeys.set_key_validity(:'expiring', expires_at => 'infinity');
SELECT valid_until < now() + interval '11 minutes' AS as_before FROM falukeys.retired_secrets
	WHERE key_id = :'expiring';

--
-- Refused where there is nothing to roll
--
SELECT * FROM falukeys.roll_key(NULL);
SELECT * FROM falukeys.roll_key('key_000000000000000000000000000');
SELECT id AS ended FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.revoke_key(:'ended');
SELECT * FROM falukeys.roll_key(:'ended');
SELECT id AS compromised, key AS compromised_key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.disable_key(:'compromised');
SELECT falukeys.report_compromised_key(:'compromised_key') = :'compromised' AS reported;
SELECT code FROM falukeys.verify_key(:'compromised_key');
SELECT * FROM falukeys.roll_key(:'compromised');
SELECT falukeys.create_workspace('Lifecycle, closed') AS closed \gset
SELECT id AS in_closed FROM falukeys.keys WHERE workspace_id = :'closed' AND kind = 'secret' \gset
SELECT falukeys.close_workspace(:'closed');
SELECT * FROM falukeys.roll_key(:'in_closed');

--
-- disable_key, enable_key
--
SELECT id AS switched, key AS switched_key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.disable_key(:'switched');
SELECT code FROM falukeys.verify_key(:'switched_key');
SELECT disabled FROM falukeys.keys WHERE id = :'switched';
SELECT falukeys.disable_key(:'switched');
SELECT falukeys.enable_key(:'switched');
SELECT code FROM falukeys.verify_key(:'switched_key');
SELECT falukeys.enable_key(:'switched');
SELECT disabled FROM falukeys.keys WHERE id = :'switched';
SELECT falukeys.disable_key(NULL);
SELECT falukeys.enable_key(NULL);
SELECT falukeys.disable_key('key_000000000000000000000000000');
SELECT falukeys.enable_key('key_000000000000000000000000000');

--
-- revoke_key: for good, with every secret of the key
--
SELECT key AS next_key FROM falukeys.roll_key(:'switched', '1 day') \gset
SELECT falukeys.revoke_key(:'switched', 'found fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys in a log');
SELECT k.name, code FROM (VALUES (1, 'in grace', :'switched_key'), (2, 'current', :'next_key')) k(number, name, key),
	falukeys.verify_key(key) ORDER BY number;
SELECT revoked_at BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp() AS revoked_now, revoke_reason
	FROM falukeys.keys WHERE id = :'switched';
SELECT revoked_at FROM falukeys.keys WHERE id = :'switched' \gset
SELECT falukeys.enable_key(:'switched');
SELECT code FROM falukeys.verify_key(:'next_key');
-- once is for good: a second time changes nothing
SELECT falukeys.revoke_key(:'switched', 'again');
SELECT revoked_at = :'revoked_at' AS as_before, revoke_reason FROM falukeys.keys WHERE id = :'switched';
-- A test secret is shown even then.
SELECT code FROM falukeys.verify_key(falukeys.reveal_key(:'switched'));
SELECT falukeys.revoke_key(NULL);
SELECT falukeys.revoke_key('key_000000000000000000000000000');

--
-- set_key_validity: NULL leaves as it is, the infinite on its own side is no bound
--
SELECT id AS bound, key AS bound_key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.set_key_validity(:'bound', now() + interval '1 hour', now() + interval '2 hours');
SELECT code, expires_at > now() AS expires_at FROM falukeys.verify_key(:'bound_key');
SELECT falukeys.set_key_validity(:'bound', now() - interval '1 hour', now() + interval '2 hours');
SELECT code, expires_at > now() AS expires_at FROM falukeys.verify_key(:'bound_key');
-- in minutes from now, rounded to tens
CREATE FUNCTION pg_temp.bounds(id text, OUT after bigint, OUT until bigint) LANGUAGE sql AS $$
	SELECT round(extract(epoch FROM not_before - now()) / 600)::bigint * 10,
		round(extract(epoch FROM expires_at - now()) / 600)::bigint * 10 FROM falukeys.keys k WHERE k.id = bounds.id
$$;
SELECT * FROM pg_temp.bounds(:'bound');
SELECT falukeys.set_key_validity(:'bound');
SELECT falukeys.set_key_validity(:'bound', NULL, NULL);
SELECT * FROM pg_temp.bounds(:'bound');
SELECT falukeys.set_key_validity(:'bound', not_before => now() + interval '30 minutes');
SELECT * FROM pg_temp.bounds(:'bound');
SELECT code FROM falukeys.verify_key(:'bound_key');
SELECT falukeys.set_key_validity(:'bound', expires_at => now() + interval '40 minutes');
SELECT * FROM pg_temp.bounds(:'bound');
-- each against the other, given or not
SELECT falukeys.set_key_validity(:'bound', now() + interval '2 hours', now() + interval '1 hour');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.set_key_validity(:'bound', now() + interval '1 hour', now() + interval '1 hour');
SELECT falukeys.set_key_validity(:'bound', not_before => now() + interval '1 hour');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.set_key_validity(:'bound', expires_at => now() + interval '20 minutes');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.set_key_validity(:'bound', not_before => 'infinity');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.set_key_validity(:'bound', 'infinity', 'infinity');
SELECT falukeys.set_key_validity(:'bound', expires_at => '-infinity');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.set_key_validity(:'bound', '-infinity', '-infinity');
SELECT * FROM pg_temp.bounds(:'bound');
SELECT falukeys.set_key_validity(:'bound', not_before => '-infinity');
SELECT * FROM pg_temp.bounds(:'bound');
SELECT code FROM falukeys.verify_key(:'bound_key');
SELECT falukeys.set_key_validity(:'bound', expires_at => 'infinity');
SELECT * FROM pg_temp.bounds(:'bound');
SELECT falukeys.set_key_validity(:'bound', '-infinity', 'infinity');
SELECT code, expires_at FROM falukeys.verify_key(:'bound_key');
-- A key made so is not one without a bound, either.
SELECT falukeys.create_key(:'workspace', 'secret', 'test', not_before => 'infinity');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.create_key(:'workspace', 'secret', 'test', expires_at => '-infinity');
SELECT falukeys.import_key(:'workspace', 'fskt_lifecycleinfinitelifecycle', expires_at => '-infinity');
SELECT id AS unbounded FROM falukeys.create_key(:'workspace', 'secret', 'test', not_before => '-infinity',
	expires_at => 'infinity') \gset
SELECT * FROM pg_temp.bounds(:'unbounded');
SELECT falukeys.set_key_validity(NULL, NULL, NULL);
SELECT falukeys.set_key_validity('key_000000000000000000000000000', NULL, NULL);

--
-- What time does.  One pause for everything that it ends:
-- a key's expiry, a grace, a grace cut by an expiry, a temporary key.
--
SELECT id AS grace, key AS grace_old FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT id AS cut, key AS cut_old FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT id AS brief, key AS brief_key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT id AS brief_temporary, key AS brief_temporary_key
	FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}', ttl => '1 second') \gset
SELECT id AS later_temporary, key AS later_temporary_key
	FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}', ttl => '1 hour') \gset
SELECT key AS grace_new FROM falukeys.roll_key(:'grace', '1 second') \gset
SELECT falukeys.set_key_validity(id, NULL, clock_timestamp() + interval '1 second')
	FROM unnest(ARRAY[:'cut', :'brief']) id;
SELECT key AS cut_new FROM falukeys.roll_key(:'cut', '1 hour') \gset
BEGIN;
SELECT now() AS transaction_time \gset
SELECT pg_sleep(1.2);
-- by the wall clock, not by the transaction's
SELECT k.name, code, clock_timestamp() > :'transaction_time'::timestamptz + interval '1 second' AS later
  FROM (VALUES (1, 'grace over', :'grace_old'), (2, 'current', :'grace_new'),
               (3, 'grace cut by expiry', :'cut_old'), (4, 'expired', :'cut_new'), (5, 'expired', :'brief_key'),
               (6, 'expired', :'brief_temporary_key')) k(number, name, key),
       falukeys.verify_key(key, object_id => 'object')
 ORDER BY number;
COMMIT;
-- An expired key is not revived.
SELECT falukeys.set_key_validity(:'brief', expires_at => 'infinity');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.set_key_validity(:'brief', NULL, now() + interval '1 day');
SELECT falukeys.set_key_validity(:'brief', not_before => '-infinity');
SELECT falukeys.set_key_validity(:'brief');
-- nor is a temporary key extended
SELECT falukeys.set_key_validity(:'later_temporary', expires_at => now() + interval '2 hours');
SELECT falukeys.set_key_validity(:'later_temporary', expires_at => 'infinity');
SELECT * FROM falukeys.roll_key(:'brief');
SELECT code FROM falukeys.verify_key(:'brief_key');

--
-- purge_keys: drops temporary keys that ended longer ago, and their digests stay taken
--
SELECT id AS revoked_temporary, key AS revoked_temporary_key
	FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}') \gset
SELECT falukeys.revoke_key(:'revoked_temporary');
SELECT falukeys.purge_keys('178000000 years');
SELECT falukeys.purge_keys('1 hour');
SELECT falukeys.purge_keys('0') >= 2 AS purged;
SELECT id IN (:'brief_temporary', :'revoked_temporary') AS ended, id = :'later_temporary' AS not_ended,
	id = :'brief' AS not_temporary
  FROM falukeys.keys WHERE id IN (:'brief_temporary', :'revoked_temporary', :'later_temporary', :'brief') ORDER BY 2, 3;
SELECT count(*) FROM falukeys.key_objects WHERE key_id IN (:'brief_temporary', :'revoked_temporary');
SELECT code FROM unnest(ARRAY[:'brief_temporary_key', :'revoked_temporary_key']) key, falukeys.verify_key(key);
SELECT code FROM falukeys.verify_key(:'later_temporary_key', object_id => 'object');
SELECT duplicate.code, duplicate.detail, shown
  FROM unnest(ARRAY[:'brief_temporary_key', :'revoked_temporary_key']) key,
       pg_temp.duplicate(format('SELECT falukeys.import_key_digest(%L, %L)', :'other',
           'fskt_****0000:' || encode(sha256(convert_to(key, 'UTF8')), 'hex')));
SELECT falukeys.purge_keys('0');
SELECT falukeys.purge_keys(NULL);
SELECT falukeys.purge_keys('-1 second');
\echo :LAST_ERROR_MESSAGE

-- No text of a key is anywhere in the tables, but for public keys in their column.
SELECT count(*) FROM falukeys.keys k
 WHERE (to_jsonb(k) - 'public_key')::text ~ 'f[spt]k[tl]_[0-9A-Za-z]{20}'
   AND workspace_id IN (:'workspace', :'other', :'closed');
