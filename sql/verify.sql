--
-- Verification: every code, and which one is answered where several apply
--
\set VERBOSITY sqlstate
-- Where each cache is discarded whenever it could be, as make matrix has it, making keys is slow, and not the point.
SET debug_discard_caches = 0;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission(name) FROM unnest('{verify,verify.read,verify_other}'::text[]) name;
SELECT falukeys.create_workspace('Verify') AS workspace \gset
SELECT falukeys.create_workspace('Verify, closed') AS closed \gset
SELECT falukeys.create_workspace('Verify, suspended') AS suspended \gset
SELECT falukeys.create_workspace('Verify, suspended and closed') AS both \gset
SELECT falukeys.approve_workspace(id) FROM unnest(ARRAY[:'workspace', :'closed', :'suspended', :'both']) id;

-- Keys by name; a name says what is going to be wrong with the key.
CREATE TABLE verify_named (name text PRIMARY KEY, id text, key text);
CREATE FUNCTION pg_temp.make(name text, workspace text, mode falukeys.key_mode DEFAULT 'live',
	not_before timestamptz DEFAULT NULL,
	permissions text[] DEFAULT NULL, networks cidr[] DEFAULT NULL, kind falukeys.key_kind DEFAULT 'secret',
	reveal boolean DEFAULT true)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO verify_named
	SELECT make.name, made.* FROM falukeys.create_key(workspace, make.kind, make.mode, make.name,
		make.permissions, make.networks,
		not_before => make.not_before, meta => jsonb_build_object('name', make.name)) made
$$;
CREATE FUNCTION pg_temp.make_temporary(name text, workspace text, permissions text[] DEFAULT NULL,
	networks cidr[] DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO verify_named
	SELECT make_temporary.name, made.*
	  FROM falukeys.create_temporary_key(workspace, 'live', '{object_1,object_2}', make_temporary.permissions,
	      make_temporary.networks) made
$$;
CREATE FUNCTION pg_temp.id_of(name text) RETURNS text LANGUAGE sql
	AS $$ SELECT id FROM verify_named n WHERE n.name = id_of.name $$;
CREATE FUNCTION pg_temp.key_of(name text) RETURNS text LANGUAGE sql
	AS $$ SELECT key FROM verify_named n WHERE n.name = key_of.name $$;

SELECT count(pg_temp.make(name, :'workspace')) AS made
  FROM unnest('{valid,rolled,revoked,disabled,expired,compromised,rolled revoked,rolled compromised,rolled disabled,
	graced,compromised revoked,revoked disabled,disabled expired,reissued}'::text[]) name;
SELECT pg_temp.make('not_yet_valid', :'workspace', not_before => now() + interval '1 day');
SELECT pg_temp.make('disabled not_yet_valid', :'workspace', not_before => now() + interval '1 day');
SELECT pg_temp.make('public', :'workspace', kind => 'public');
SELECT pg_temp.make('network', :'workspace', networks => '{192.0.2.0/24}');
SELECT pg_temp.make('permission', :'workspace', permissions => '{verify.read}');
SELECT pg_temp.make('permission network', :'workspace', permissions => '{verify.read}', networks => '{192.0.2.0/24}');
SELECT pg_temp.make('closed', :'closed'), pg_temp.make('closed test', :'closed', 'test'),
	pg_temp.make('closed public', :'closed', kind => 'public');
SELECT pg_temp.make('closed disabled', :'closed'), pg_temp.make('closed expired', :'closed'),
	pg_temp.make('closed not_yet_valid', :'closed', not_before => now() + interval '1 day');
SELECT pg_temp.make('suspended', :'suspended', networks => '{192.0.2.0/24}'),
	pg_temp.make('suspended test', :'suspended', 'test'),
	pg_temp.make('suspended public', :'suspended', kind => 'public');
SELECT pg_temp.make('suspended expired', :'suspended'),
	pg_temp.make('suspended not_yet_valid', :'suspended', not_before => now() + interval '1 day');
SELECT pg_temp.make('suspended and closed', :'both');
SELECT pg_temp.make_temporary('temporary', :'workspace'),
	pg_temp.make_temporary('temporary compromised disabled', :'workspace');
SELECT pg_temp.make_temporary('temporary restricted', :'workspace', '{verify.read}', '{192.0.2.0/24}');

-- What has been wrong with them ever since
SELECT count(falukeys.roll_key(pg_temp.id_of(name))) AS rolled
	FROM unnest('{rolled,rolled revoked,rolled compromised,rolled disabled}'::text[]) name;
SELECT count(falukeys.roll_key(pg_temp.id_of(name), '1 day')) AS graced
	FROM unnest('{graced,compromised revoked}'::text[]) name;
SELECT count(falukeys.report_compromised_key(pg_temp.key_of(name))) AS reported
  FROM unnest('{compromised,rolled compromised,compromised revoked}'::text[]) name;
SELECT falukeys.disable_key(pg_temp.id_of(name))
  FROM unnest('{disabled,rolled disabled,revoked disabled,disabled expired,disabled not_yet_valid,closed '
      'disabled,temporary compromised disabled}'::text[]) name;
SELECT falukeys.report_compromised_key(pg_temp.key_of('temporary compromised disabled')) IS NOT NULL AS reported;
SELECT falukeys.revoke_key(pg_temp.id_of(name))
	FROM unnest('{revoked,rolled revoked,compromised revoked,revoked disabled}'::text[]) name;
SELECT falukeys.set_key_validity(pg_temp.id_of(name), NULL, clock_timestamp() + interval '200 milliseconds')
  FROM unnest('{expired,disabled expired,closed expired,suspended expired}'::text[]) name;
SELECT pg_sleep(0.3);
SELECT falukeys.suspend_workspace(:'suspended'), falukeys.suspend_workspace(:'both');
SELECT falukeys.close_workspace(:'closed'), falukeys.close_workspace(:'both');

-- Digests imported under marks that their keys do not have, and of a key that is malformed
CREATE FUNCTION pg_temp.import_under(marks text, key text) RETURNS text LANGUAGE sql AS $$
	SELECT falukeys.import_key_digest(w.id,
		(marks || ':' || encode(sha256(convert_to(key, 'UTF8')), 'hex'))::falukeys.apikey)
	  FROM falukeys.workspaces w WHERE w.name = 'Verify'
$$;
INSERT INTO verify_named VALUES
	('malformed valid', pg_temp.import_under('fskl_****0000', 'fskl_Made0up0random0part0for0the0tests0of0types0000000'),
	 'fskl_Made0up0random0part0for0the0tests0of0types0000000'),
	('other last four', pg_temp.import_under('fskl_****0001', 'fskl_verifyverifyverify0000'),
		'fskl_verifyverifyverify0000'),
	('other last four rolled', pg_temp.import_under('fskl_****0001', 'fskl_verifyverifyverify2222'),
		'fskl_verifyverifyverify2222'),
	('other last four revoked', pg_temp.import_under('fskl_****0001', 'fskl_verifyverifyverify1111'),
		'fskl_verifyverifyverify1111'),
	('other mode', pg_temp.import_under('fskt_****3333', 'fskl_verifyverifyverify3333'), 'fskl_verifyverifyverify3333'),
	('other kind', pg_temp.import_under('fskl_****4444', 'fpkl_verifyverifyverify4444'), 'fpkl_verifyverifyverify4444'),
	('same marks', pg_temp.import_under('fskl_****5555', 'fskl_verifyverifyverify5555'), 'fskl_verifyverifyverify5555');
SELECT count(falukeys.roll_key(pg_temp.id_of('other last four rolled'))) AS rolled;
SELECT falukeys.revoke_key(pg_temp.id_of('other last four revoked'));
BEGIN;
SELECT pg_temp.make('unknown', :'workspace');
SELECT pg_temp.key_of('unknown') AS unknown \gset
ROLLBACK;

CREATE TABLE verify_asked (number integer GENERATED ALWAYS AS IDENTITY, what text, name text, key text,
	permission text, client inet, object_id text, mode falukeys.key_mode);
INSERT INTO verify_asked (what, key) VALUES ('nothing', NULL), ('empty', ''), ('unknown', :'unknown');
INSERT INTO verify_asked (what, name, permission, client, object_id, mode) VALUES
	('each by itself', 'rolled', NULL, NULL, NULL, NULL),
	('', 'compromised', NULL, NULL, NULL, NULL),
	('', 'revoked', NULL, NULL, NULL, NULL),
	('', 'disabled', NULL, NULL, NULL, NULL),
	('', 'not_yet_valid', NULL, NULL, NULL, NULL),
	('', 'expired', NULL, NULL, NULL, NULL),
	('', 'closed', NULL, NULL, NULL, NULL),
	('', 'closed test', NULL, NULL, NULL, NULL),
	('', 'closed public', NULL, NULL, NULL, NULL),
	('', 'suspended', NULL, '192.0.2.1', NULL, NULL),
	('', 'suspended public', NULL, NULL, NULL, NULL),
	('', 'suspended test', NULL, NULL, NULL, NULL),
	('other mode', 'valid', NULL, NULL, NULL, 'test'),
	('other network', 'network', NULL, '192.0.3.1', NULL, NULL),
	('no client', 'network', NULL, NULL, NULL, NULL),
	('a permission', 'public', 'verify', NULL, NULL, NULL),
	('more than permitted', 'permission', 'verify', NULL, NULL, NULL),
	('other object', 'temporary', NULL, NULL, 'object_3', NULL),
	('no object', 'temporary', NULL, NULL, NULL, NULL),
	('', 'valid', NULL, NULL, NULL, NULL),
	('everything', 'valid', 'verify', '192.0.2.1', 'object_1', 'live'),
	('', 'graced', NULL, NULL, NULL, NULL),
	('', 'public', NULL, NULL, NULL, 'live'),
	('in a network', 'network', NULL, '192.0.2.1', NULL, NULL),
	('a permission', 'permission', 'verify.read', NULL, NULL, NULL),
	('an object', 'temporary', NULL, NULL, 'object_2', NULL),
	('everything', 'temporary restricted', 'verify.read', '192.0.2.1', 'object_1', 'live'),
	-- where two or more apply, the earlier in the order is answered
	('', 'malformed valid', NULL, NULL, NULL, NULL),
	('', 'other last four', NULL, NULL, NULL, NULL),
	('', 'other last four rolled', NULL, NULL, NULL, NULL),
	('', 'other last four revoked', NULL, NULL, NULL, NULL),
	('', 'other mode', NULL, NULL, NULL, NULL),
	('', 'other kind', NULL, NULL, NULL, NULL),
	('', 'same marks', NULL, NULL, NULL, NULL),
	('reported after its end', 'rolled compromised', NULL, NULL, NULL, NULL),
	('', 'rolled revoked', NULL, NULL, NULL, NULL),
	('', 'rolled disabled', NULL, NULL, NULL, NULL),
	('reported in its grace', 'compromised revoked', NULL, NULL, NULL, NULL),
	('', 'temporary compromised disabled', NULL, NULL, 'object_1', NULL),
	('', 'revoked disabled', NULL, NULL, NULL, NULL),
	('', 'disabled not_yet_valid', NULL, NULL, NULL, NULL),
	('', 'disabled expired', NULL, NULL, NULL, NULL),
	('', 'closed disabled', NULL, NULL, NULL, NULL),
	('', 'closed not_yet_valid', NULL, NULL, NULL, NULL),
	('', 'closed expired', NULL, NULL, NULL, NULL),
	('', 'suspended not_yet_valid', NULL, NULL, NULL, NULL),
	('', 'suspended expired', NULL, NULL, NULL, NULL),
	('', 'suspended and closed', NULL, NULL, NULL, NULL),
	('other mode', 'closed', NULL, NULL, NULL, 'test'),
	('other mode', 'suspended', NULL, '192.0.2.1', NULL, 'test'),
	('other network', 'suspended', NULL, '192.0.3.1', NULL, NULL),
	('a permission', 'suspended public', 'verify', NULL, NULL, NULL),
	('a permission', 'closed public', 'verify', NULL, NULL, NULL),
	('other mode', 'expired', NULL, NULL, NULL, 'test'),
	('other mode and network', 'network', NULL, '192.0.3.1', NULL, 'test'),
	('other mode, a permission', 'public', 'verify', NULL, NULL, 'test'),
	('other mode and permission', 'permission', 'verify_other', NULL, NULL, 'test'),
	('other mode and object', 'temporary', NULL, NULL, 'object_3', 'test'),
	('other network and permission', 'permission network', 'verify_other', '192.0.3.1', NULL, NULL),
	('other permission', 'permission network', 'verify_other', '192.0.2.1', NULL, NULL),
	('other network, permission and object', 'temporary restricted', 'verify_other', '192.0.3.1', 'object_3', NULL),
	('other network and object', 'temporary restricted', 'verify.read', '192.0.3.1', 'object_3', NULL),
	('other permission and object', 'temporary restricted', 'verify_other', '192.0.2.1', 'object_3', NULL),
	('other object', 'temporary restricted', 'verify.read', '192.0.2.1', 'object_3', NULL);
UPDATE verify_asked a SET key = n.key FROM verify_named n WHERE n.name = a.name;
RESET debug_discard_caches;

-- What is told: nothing up to unknown, everything from rolled on
SELECT a.what AS asked, a.name AS key, v.code, v.valid,
       CASE WHEN num_nonnulls(v.key_id, v.workspace_id, v.kind, v.mode, v.expires_at, v.meta) = 0 THEN 'nothing'
            WHEN ROW(v.key_id, v.workspace_id, v.kind, v.mode, v.expires_at, v.meta)
                 IS NOT DISTINCT FROM ROW(k.id, k.workspace_id, k.kind, k.mode, k.expires_at, k.meta) THEN 'all'
            ELSE 'some' END AS told
  FROM verify_asked a
  LEFT JOIN verify_named n ON n.name = a.name
  LEFT JOIN falukeys.keys k ON k.id = n.id
 CROSS JOIN LATERAL falukeys.verify_key(a.key, a.permission, a.client, a.object_id, a.mode) v
 ORDER BY a.number;
SELECT kind, mode, expires_at IS NOT NULL AS expires, meta FROM falukeys.verify_key(pg_temp.key_of('expired'));

-- The code is valid, and only it, where valid is; and the other functions say so too.
SET debug_discard_caches = 0;
SELECT count(*) AS asked, count(*) FILTER (WHERE v.valid) AS valid,
       count(*) FILTER (WHERE (v.code = 'valid') IS DISTINCT FROM v.valid) AS differing,
       count(*) FILTER (WHERE w.valid IS DISTINCT FROM falukeys.key_allows(a.key, a.permission,
           a.client)) AS otherwise_allowed,
       count(*) FILTER (WHERE w.valid IS DISTINCT FROM falukeys.handle_allows(h.handle, a.permission,
           a.client)) AS otherwise_by_handle
  FROM verify_asked a
 CROSS JOIN LATERAL (SELECT CASE WHEN falukeys.is_well_formed(a.key) THEN falukeys.apikey_of(a.key) END AS handle) h
 CROSS JOIN LATERAL falukeys.verify_key(a.key, a.permission, a.client, a.object_id, a.mode) v
 CROSS JOIN LATERAL falukeys.verify_key(a.key, a.permission, a.client) w;
RESET debug_discard_caches;
SELECT falukeys.handle_allows(secret, 'verify', NULL) AS whole,
       falukeys.handle_allows(replace(secret::text, falukeys.redacted(secret), 'fskl_****0000')::falukeys.apikey,
           'verify', NULL) AS other_last_four,
       falukeys.handle_allows(replace(secret::text, 'fskl_', 'fskt_')::falukeys.apikey, 'verify', NULL) AS other_mode,
       falukeys.handle_allows(NULL, 'verify', NULL) AS nothing
  FROM falukeys.keys WHERE id = pg_temp.id_of('valid');

--
-- One key with everything wrong, put right step by step
--
SET debug_discard_caches = 0;
SELECT falukeys.create_workspace('Verify, step by step') AS steps \gset
SELECT falukeys.approve_workspace(:'steps');
SELECT pg_temp.make_temporary('steps', :'steps', '{verify.read}', '{192.0.2.0/24}');
SELECT falukeys.suspend_workspace(:'steps');
SELECT falukeys.disable_key(pg_temp.id_of('steps'));
RESET debug_discard_caches;
PREPARE ask AS SELECT code FROM falukeys.verify_key(pg_temp.key_of('steps'), $1, $2, $3, $4);
EXECUTE ask ('verify_other', '192.0.3.1', 'object_3', 'test');
SELECT falukeys.enable_key(pg_temp.id_of('steps'));
EXECUTE ask ('verify_other', '192.0.3.1', 'object_3', 'test');
SELECT falukeys.resume_workspace(:'steps');
EXECUTE ask ('verify_other', '192.0.3.1', 'object_3', 'test');
EXECUTE ask ('verify_other', '192.0.3.1', 'object_3', 'live');
EXECUTE ask ('verify_other', '192.0.2.1', 'object_3', 'live');
EXECUTE ask ('verify.read', '192.0.2.1', 'object_3', 'live');
EXECUTE ask ('verify.read', '192.0.2.1', 'object_1', 'live');

--
-- NULL in every argument, in every combination
--
SET debug_discard_caches = 0;
SELECT name, code, count(*), count(*) FILTER (WHERE valid IS NULL) AS nulls
  FROM unnest('{valid,temporary restricted,public}'::text[]) name,
       unnest(ARRAY[NULL, 'verify.read']) permission, unnest(ARRAY[NULL, '192.0.2.1'::inet]) client,
       unnest(ARRAY[NULL, 'object_1']) object_id, unnest(ARRAY[NULL, 'live'::falukeys.key_mode]) mode,
       falukeys.verify_key(pg_temp.key_of(name), permission, client, object_id, mode)
 GROUP BY name, code ORDER BY 1, 2;
SELECT code, count(*), count(*) FILTER (WHERE valid) AS valid, count(*) FILTER (WHERE v.* IS NULL) AS nulls
  FROM unnest(ARRAY[NULL, 'verify.read']) permission, unnest(ARRAY[NULL, '192.0.2.1'::inet]) client,
       unnest(ARRAY[NULL, 'object_1']) object_id, unnest(ARRAY[NULL, 'live'::falukeys.key_mode]) mode,
       falukeys.verify_key(NULL, permission, client, object_id, mode) v
 GROUP BY code;
SELECT falukeys.key_allows(NULL, NULL, NULL) AS nothing,
	falukeys.key_allows(pg_temp.key_of('valid'), NULL, NULL) AS valid,
       falukeys.key_allows(pg_temp.key_of('network'), NULL, NULL) AS network,
       falukeys.handle_allows(NULL, NULL, NULL) AS no_handle;
-- Nor is anything else an error, whatever is asked.
SELECT name, code, count(*)
  FROM unnest('{valid,permission,temporary}'::text[]) name,
       (SELECT '' UNION ALL SELECT repeat('verify', 100000) UNION ALL SELECT repeat('verify.', 100000) UNION ALL
           SELECT E'verify\n'
        UNION ALL SELECT 'verify.' || chr(233) UNION ALL SELECT '.' UNION ALL SELECT '*' UNION ALL
        SELECT '%') hostile(asked),
       falukeys.verify_key(pg_temp.key_of(name), asked, '::/0', asked)
 GROUP BY name, code ORDER BY 1, 2;
RESET debug_discard_caches;
SELECT code FROM falukeys.verify_key(pg_temp.key_of('valid')::varchar(100));
SELECT code FROM falukeys.verify_key('fskl_verifyverifyverify5555');

-- It keeps no lock on the tables that it has read.
BEGIN;
SELECT code FROM (VALUES ('permission'), ('network'), ('valid')) AS named(name),
	falukeys.verify_key(pg_temp.key_of(name), 'verify.read', '192.0.2.1') AS v ORDER BY 1;
SELECT relation::regclass FROM pg_locks JOIN pg_class ON pg_class.oid = relation
	WHERE pid = pg_backend_pid() AND relnamespace = 'falukeys'::regnamespace;
COMMIT;

DROP TABLE verify_named, verify_asked;
