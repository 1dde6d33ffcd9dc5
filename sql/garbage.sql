--
-- Garbage is malformed, and never an error of verification.
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.create_workspace('Garbage') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');

-- A key of each kind, good as it is
CREATE TABLE garbage_key AS
SELECT 'public' AS kind, key FROM falukeys.create_key(:'workspace', 'public', 'live')
UNION ALL SELECT 'secret', key FROM falukeys.create_key(:'workspace', 'secret', 'live')
UNION ALL SELECT 'temporary', key FROM falukeys.create_temporary_key(:'workspace', 'live', '{object}');
SELECT k.kind, code FROM garbage_key k, falukeys.verify_key(key, object_id => 'object') ORDER BY k.kind;

-- Every corruption of one character: any digit or letter in its place, and what looks like it but is none
CREATE FUNCTION pg_temp.characters() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT regexp_split_to_table('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', '')
	UNION ALL SELECT regexp_split_to_table(' _-+/=*:.%''"\', '')
	UNION ALL SELECT chr(code) FROM unnest(
		'{1,9,10,13,27,127,133,160,233,945,1072,8203,65279,65313,128273}'::integer[]) code
$$;
SELECT k.kind, count(*) AS corrupted, count(*) FILTER (WHERE code = 'malformed') AS malformed
  FROM garbage_key k, generate_series(1, length(key)) place, pg_temp.characters() other,
       falukeys.verify_key(overlay(key PLACING other FROM place FOR 1), object_id => 'object') v(valid, code)
 WHERE other <> substr(key, place, 1)
 GROUP BY k.kind ORDER BY k.kind;

-- Every swap of two neighbours
SELECT bool_and(swaps = malformed) AS malformed, bool_and(swaps > 40) AS enough
  FROM (SELECT k.kind, count(*) AS swaps, count(*) FILTER (WHERE code = 'malformed') AS malformed
          FROM garbage_key k, generate_series(1, length(key) - 1) place,
               falukeys.verify_key(overlay(key PLACING reverse(substr(key, place, 2)) FROM place FOR 2),
                   object_id => 'object') v(valid, code)
         WHERE substr(key, place, 1) <> substr(key, place + 1, 1)
         GROUP BY k.kind) counted;

-- A character less or more makes a key of a length that has no checksum: unknown, or malformed in the prefix.
SELECT count(*) AS cut_or_stretched, array_agg(DISTINCT code ORDER BY code) AS codes,
	count(*) FILTER (WHERE valid) AS valid
  FROM garbage_key, generate_series(1, length(key)) place, unnest('{0,2}'::integer[]) times,
       falukeys.verify_key(overlay(key PLACING repeat(substr(key, place, 1), times) FROM place FOR 1),
           object_id => 'object') v(valid, code);

-- A checksum that is the right number but for 2 ^ 32, written in the same six digits, is wrong.
CREATE FUNCTION pg_temp.number(digits text) RETURNS numeric LANGUAGE sql AS $$
	SELECT sum((strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
		substr(digits, place, 1)) - 1) * 62::numeric ^ (length(digits) - place))
	  FROM generate_series(1, length(digits)) place
$$;
CREATE FUNCTION pg_temp.digits(number numeric) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
		1 + mod(div(number, 62::numeric ^ power), 62)::integer, 1), '' ORDER BY power DESC)
	  FROM generate_series(0, 5) power
$$;
SELECT times, count(DISTINCT code) AS codes, min(code) AS code
  FROM garbage_key, generate_series(0, 3) times,
       falukeys.verify_key(left(key, 48) || pg_temp.digits(round(pg_temp.number(right(key, 6)))
           + times * 2::numeric ^ 32), object_id => 'object') v(valid, code)
 GROUP BY times ORDER BY times;

--
-- Other garbage
--
CREATE TABLE garbage (id integer GENERATED ALWAYS AS IDENTITY, what text, input text);
INSERT INTO garbage (what, input) VALUES
	('nothing', NULL), ('empty', ''), ('space', ' '), ('word', 'key'), ('NULL as a word', 'NULL'),
	('prefix alone', 'fskl_'), ('half a prefix', 'fsk'), ('body too short', 'fskl_' || repeat('a', 19)),
	('body too long', 'fskl_' || repeat('a', 51)),
	('no such kind', 'fxkl_' || repeat('a', 30)), ('no such mode', 'fskx_' || repeat('a', 30)),
	('upper case', 'FSKL_' || repeat('a', 30)),
	('1 MB of a letter', repeat('a', 1048576)), ('1 MB of spaces', repeat(' ', 1048576)),
	('1 MB behind a prefix', 'fskl_' || repeat('a', 1048576)),
	('1 MB of keys', repeat('fskl_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys ', 21845)),
	('1 MB of symbols', repeat(chr(128273), 262144)),
	('1 MB that does not compress', (SELECT string_agg(md5(number::text), '') FROM generate_series(1, 32768) number)),
	('letters elsewhere', 'fskl_' || repeat(chr(945), 30)), ('wide digits', 'fskl_' || repeat(chr(65297), 30)),
	('look-alike prefix', 'f' || chr(1109) || 'kl_' || repeat('a', 30)),
	('wide prefix', chr(65350) || 'skl_' || repeat('a', 30)),
	('accents', 'fskl_' || repeat('e' || chr(769), 15)),
	('a letter with an accent', 'fskl_' || repeat('a', 29) || chr(233)),
	('right to left', chr(8238) || 'fskl_' || repeat('a', 30)),
	('byte order mark', chr(65279) || 'fskl_' || repeat('a', 30)),
	('stored form', 'fskt_****u8Ys:2ef22809b2cabdb9e209bf9c3bda12e94b452f72aa14166668ba17df08c9cf6c'),
	('redacted', 'fskt_****u8Ys'),
	('format', '%s%n%p%x'), ('statement', $$'; SELECT falukeys.close_workspace('x'); --$$);
INSERT INTO garbage (what, input)
SELECT where_it_is || ' control character ' || code, CASE where_it_is
	WHEN 'first' THEN chr(code) || key WHEN 'last' THEN key || chr(code)
	WHEN 'in the prefix' THEN overlay(key PLACING chr(code) FROM 3 FOR 0)
		ELSE overlay(key PLACING chr(code) FROM 20 FOR 0) END
  FROM garbage_key k, unnest('{first,last,in the prefix,in the body}'::text[]) where_it_is,
       generate_series(1, 159) code
 WHERE k.kind = 'secret' AND (code < 32 OR code > 126);
INSERT INTO garbage (what, input)
SELECT 'changed', changed
  FROM garbage_key k, LATERAL (VALUES (' ' || key), (key || ' '), (key || key), (key || E'\n' || key),
      ('"' || key || '"'), ('Bearer ' || key), (key || ':'),
	(encode(convert_to(key, 'UTF8'), 'base64')), (encode(convert_to(key, 'UTF8'), 'hex')), (upper(key)),
		(lower(key)), (reverse(key)),
	(replace(key, '_', '%5F')), (key || repeat(' ', 1048576)), (key || repeat('a', 1048576)),
		(repeat(chr(233), 524288) || key),
	(substr(key, 2)), (substr(key, 6)), (left(key, 24)), (falukeys.apikey_of(key)::text),
		(falukeys.redact(key))) v(changed);

SELECT count(*) AS inputs, count(*) - count(code) AS unanswered,
       array_agg(DISTINCT code) AS codes, bool_or(valid) AS valid,
       bool_or(num_nonnulls(key_id, workspace_id, kind, mode, expires_at, meta) > 0) AS told
  FROM garbage, falukeys.verify_key(input);
SELECT what FROM garbage, falukeys.verify_key(input, 'garbage', '192.0.2.1', 'object', 'live') WHERE code <> 'malformed'
	ORDER BY id;
-- The other functions that take a plaintext key agree.
SELECT bool_or(falukeys.key_allows(input, NULL, NULL)) AS allowed,
	bool_or(falukeys.is_well_formed(input)) AS well_formed FROM garbage;
CREATE FUNCTION pg_temp.refusal(statement text, input text, OUT code text, OUT shown boolean) LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement USING input;
	code := '00000';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
	shown := length(input) > 12 AND strpos(concat_ws(' ', message, detail, hint),
		substr(input, length(input) / 2 - 4, 10)) > 0;
END $$;
SELECT function, array_agg(DISTINCT code) AS codes, bool_or(shown) AS shown
  FROM garbage, (VALUES ('apikey_of', 'SELECT falukeys.apikey_of($1)'),
                        ('import_key', format('SELECT falukeys.import_key(%L, $1)', :'workspace'))) v(function,
                        statement),
       pg_temp.refusal(statement, input)
 WHERE input IS NOT NULL GROUP BY function ORDER BY function;
-- Masking it is no error either.
SELECT bool_or(falukeys.redact(input) ~ 'f[spt]k[tl]_[0-9A-Za-z]{20}') AS left_readable,
	count(falukeys.redact(input)) = count(input) AS answered FROM garbage;

DROP TABLE garbage_key, garbage;
