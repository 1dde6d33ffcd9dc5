--
-- What generated keys and ids look like, in numbers
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT clock_timestamp() AS began \gset
SELECT falukeys.create_workspace('Generation') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');

-- 10,000 keys of each kind, half of them in each mode
CREATE TABLE generated_key AS
SELECT created.id, created.key, kind, mode
  FROM unnest('{public,secret}'::falukeys.key_kind[]) kind,
       unnest('{test,live}'::falukeys.key_mode[]) mode,
       generate_series(1, 5000) number,
       LATERAL falukeys.create_key(:'workspace', kind, mode, 'number ' || number) created
UNION ALL
SELECT created.id, created.key, 'temporary', mode
  FROM unnest('{test,live}'::falukeys.key_mode[]) mode,
       generate_series(1, 5000) number,
       LATERAL falukeys.create_temporary_key(:'workspace', mode, ARRAY['object ' || number]) created;

SELECT kind, count(*), count(DISTINCT key) AS keys, count(DISTINCT substr(key, 6, 43)) AS random_parts,
	count(DISTINCT id) AS ids,
       count(*) FILTER (WHERE key ~ '^f[spt]k[lt]_[0-9A-Za-z]{49}$') AS matching,
       count(*) FILTER (WHERE left(key, 5) = 'f' || left(kind::text, 1) || 'k' || left(mode::text, 1)
           || '_') AS right_prefix,
       count(*) FILTER (WHERE id ~ '^key_[0-9A-Za-z]{27}$') AS matching_ids,
       count(*) FILTER (WHERE falukeys.is_well_formed(key)) AS well_formed
  FROM generated_key GROUP BY kind ORDER BY kind;
SELECT count(*) FROM generated_key WHERE kind <> 'temporary' AND key ~ '^f[sp]k[lt]_[0-9A-Za-z]{49}$';
SELECT count(DISTINCT key) AS keys, count(DISTINCT id) AS ids FROM generated_key;

--
-- Chi-squared tests with 61 degrees of freedom.  A uniform generator exceeds
-- 170 about once in 10^11 tests; a byte taken modulo 62 reaches 2800 over all
-- characters of a kind.
--
CREATE TABLE random_character AS
SELECT kind, position, substr(key, 5 + position, 1) AS digit, count(*) AS seen
  FROM generated_key, generate_series(1, 43) position
 GROUP BY 1, 2, 3;
CREATE FUNCTION pg_temp.base62() RETURNS text IMMUTABLE LANGUAGE sql
RETURN '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

-- over all characters of a kind's random parts
SELECT kind, count(*) AS digits, sum(seen) AS characters,
       sum((seen - expected) ^ 2 / expected) < 170 AS uniform
  FROM (SELECT kind, digit, coalesce(sum(c.seen), 0) AS seen, 430000 / 62.0 AS expected
          FROM unnest(enum_range(NULL::falukeys.key_kind)) kind
         CROSS JOIN regexp_split_to_table(pg_temp.base62(), '') digit
          LEFT JOIN random_character c USING (kind, digit)
         GROUP BY kind, digit) counted
 GROUP BY kind ORDER BY kind;
-- and at each of the 43 places
SELECT count(*) AS places, count(*) FILTER (WHERE statistic < 170) AS uniform
  FROM (SELECT position, sum((seen - expected) ^ 2 / expected) AS statistic
          FROM (SELECT position, digit, coalesce(sum(c.seen), 0) AS seen, 30000 / 62.0 AS expected
                  FROM generate_series(1, 43) position
                 CROSS JOIN regexp_split_to_table(pg_temp.base62(), '') digit
                  LEFT JOIN random_character c USING (position, digit)
                 GROUP BY position, digit) counted
         GROUP BY position) tested;
-- and of the character after a character, over 3844 pairs (3843 degrees of freedom, mean 3843, deviation 88)
SELECT sum(pairs) AS pairs, sum((pairs - 30000 * 42 / 3844.0) ^ 2 / (30000 * 42 / 3844.0)) < 4700 AS independent
  FROM (SELECT a.digit, b.digit, count(k.pair) AS pairs
          FROM regexp_split_to_table(pg_temp.base62(), '') a(digit)
         CROSS JOIN regexp_split_to_table(pg_temp.base62(), '') b(digit)
          LEFT JOIN (SELECT substr(key, 5 + position, 2) AS pair FROM generated_key, generate_series(1, 42) position) k
            ON k.pair = a.digit || b.digit
         GROUP BY a.digit, b.digit) counted;

--
-- The checksum, against a CRC-32 that shares no code with it
--
CREATE FUNCTION pg_temp.crc32(bytes bytea) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	register bigint := x'ffffffff'::bigint;
BEGIN
	FOR place IN 0 .. length(bytes) - 1 LOOP
		register := register # get_byte(bytes, place);
		FOR bit IN 1 .. 8 LOOP
			register := (register >> 1) # CASE WHEN register & 1 = 1 THEN x'edb88320'::bigint ELSE 0 END;
		END LOOP;
	END LOOP;
	RETURN register # x'ffffffff'::bigint;
END $$;
CREATE FUNCTION pg_temp.checksum(bytes bytea) RETURNS text IMMUTABLE LANGUAGE sql AS $$
	SELECT string_agg(substr(pg_temp.base62(), 1 + (pg_temp.crc32(bytes) / (62::bigint ^ power)::bigint % 62)::integer,
		1), '' ORDER BY power DESC)
	  FROM generate_series(0, 5) power
$$;

-- the check value that every description of CRC-32 gives, and two computed with zlib
SELECT to_hex(pg_temp.crc32('123456789')) AS crc32,
       pg_temp.checksum('fskt_Made0up0random0part0for0the0tests0of0types0') AS checksum,
       pg_temp.checksum('fpkl_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg') AS checksum;
SELECT count(*) AS sample, count(*) FILTER (WHERE right(key, 6)
	= pg_temp.checksum(convert_to(left(key, 48), 'UTF8'))) AS agreeing
  FROM (SELECT key, row_number() OVER (PARTITION BY kind, mode) AS number FROM generated_key) numbered
 WHERE number <= 100;

-- What a roll makes is made in the same way.
SELECT count(*), count(DISTINCT rolled.key) AS keys,
       count(*) FILTER (WHERE rolled.key ~ '^fskl_[0-9A-Za-z]{49}$'
           AND right(rolled.key, 6) = pg_temp.checksum(convert_to(left(rolled.key, 48), 'UTF8'))) AS agreeing
  FROM (SELECT id FROM generated_key WHERE kind = 'secret' AND mode = 'live' LIMIT 50) chosen,
       LATERAL falukeys.roll_key(chosen.id) rolled;

--
-- Ids: base62 of 32 bits of seconds since 1400000000 and 128 random bits
--
CREATE FUNCTION pg_temp.id_time(id text) RETURNS timestamptz LANGUAGE sql AS $$
	SELECT to_timestamp(1400000000 + div(sum((strpos(pg_temp.base62(),
		substr(split_part(id, '_', 2), place, 1)) - 1) * 62::numeric ^ (27 - place)),
	                                     2::numeric ^ 128)::bigint)
	  FROM generate_series(1, 27) place
$$;
CREATE TABLE generated_id AS
SELECT id, pg_temp.id_time(id) AS made FROM (SELECT id FROM generated_key LIMIT 1000) keys
UNION ALL
SELECT :'workspace', pg_temp.id_time(:'workspace');
SELECT count(*) AS ids,
       count(*) FILTER (WHERE made BETWEEN :'began'::timestamptz - interval '1 second' AND clock_timestamp()) AS timed
  FROM generated_id;
-- so they sort by the time of creation
SELECT count(*) FROM (SELECT made < lag(made) OVER (PARTITION BY id LIKE 'key%' ORDER BY id COLLATE "C") AS earlier
	FROM generated_id) neighbours
 WHERE earlier;
SELECT workspace.id COLLATE "C" < later.id AS later_sorts_after
  FROM (SELECT min(id COLLATE "C") AS id FROM falukeys.keys WHERE workspace_id = :'workspace') workspace,
       LATERAL falukeys.create_key(:'workspace', 'secret', 'test') later;

DROP TABLE generated_key, generated_id, random_character;
