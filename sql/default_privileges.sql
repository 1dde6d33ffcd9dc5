--
-- Neither default privileges nor a schema that was there before open anything
--
\set VERBOSITY sqlstate
SELECT current_database() AS before \gset
CREATE ROLE regress_falukeys_app;
CREATE ROLE "regress_falukeys app, 2";
CREATE ROLE regress_falukeys_maker SUPERUSER;
CREATE DATABASE regress_falukeys_plain TEMPLATE template0;
CREATE DATABASE regress_falukeys_defaults TEMPLATE template0;

-- every privilege on every object of the extension and its schema, the owner's too; the same as one text
SELECT $$
SELECT classid::regclass || ' ' || identity || ' ' || CASE grantee WHEN owner THEN 'owner' WHEN 0 THEN 'PUBLIC'
	ELSE grantee::regrole::text END
	|| ' ' || privilege_type || ' ' || is_grantable AS held
  FROM (SELECT 'pg_class'::regclass AS classid, oid AS objid, relowner AS owner,
      coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl
          FROM pg_class WHERE relnamespace IN (to_regnamespace('falukeys'), to_regnamespace('falukeys_internal'))
              AND relkind IN ('r', 'v', 'S')
        UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
        WHERE pronamespace IN (to_regnamespace('falukeys'), to_regnamespace('falukeys_internal'))
        UNION ALL SELECT 'pg_type'::regclass, oid, typowner, coalesce(typacl, acldefault('T', typowner)) FROM pg_type
        WHERE typnamespace IN (to_regnamespace('falukeys'), to_regnamespace('falukeys_internal'))
            AND typcategory <> 'A'
        UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner, coalesce(nspacl, acldefault('n', nspowner))
        FROM pg_namespace WHERE nspname IN ('falukeys', 'falukeys_internal')) o,
       pg_identify_object(classid, objid, 0) AS object, aclexplode(acl)
$$ AS privileges \gset

\c regress_falukeys_plain
CREATE EXTENSION falukeys;
CREATE VIEW privilege AS :privileges;
SELECT count(*) > 200 AS some, count(*) FILTER (WHERE held ~ ' regress') AS others FROM privilege;
SELECT array_agg(held ORDER BY held COLLATE "C") AS plain FROM privilege \gset

-- All kinds of default privileges, with the option to grant on
\c regress_falukeys_defaults
CREATE VIEW privilege AS :privileges;
DO $$
DECLARE kind text; maker regrole;
BEGIN
	FOREACH kind IN ARRAY '{TABLES,SEQUENCES,ROUTINES,TYPES,SCHEMAS}'::text[] LOOP
		FOREACH maker IN ARRAY ARRAY[current_user, 'regress_falukeys_maker']::regrole[] LOOP
			EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT ALL ON %s TO regress_falukeys_app, '
				'"regress_falukeys app, 2" WITH GRANT OPTION', maker, kind);
			EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT ALL ON %s TO PUBLIC', maker, kind);
		END LOOP;
	END LOOP;
END $$;
CREATE EXTENSION falukeys;
SELECT held FROM privilege EXCEPT SELECT unnest(:'plain'::text[]) ORDER BY 1;
SELECT unnest(:'plain'::text[]) EXCEPT SELECT held FROM privilege ORDER BY 1;
-- as recorded for pg_dump
SELECT count(*) AS recorded_otherwise FROM pg_init_privs i
	JOIN pg_proc p ON i.classoid = 'pg_proc'::regclass AND p.oid = i.objoid
 WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND initprivs IS DISTINCT FROM proacl;
SELECT count(*) AS recorded_otherwise FROM pg_init_privs i
	JOIN pg_class c ON i.classoid = 'pg_class'::regclass AND c.oid = i.objoid
 WHERE relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND initprivs IS DISTINCT FROM relacl;
SELECT count(*) AS not_recorded FROM pg_class c
 WHERE relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND relacl IS NOT NULL
     AND NOT EXISTS (SELECT FROM pg_init_privs WHERE classoid = 'pg_class'::regclass AND objoid = c.oid);
DROP EXTENSION falukeys;
DROP SCHEMA falukeys;

-- The same by another superuser, who takes from itself and from PUBLIC what they have by default
ALTER DEFAULT PRIVILEGES FOR ROLE regress_falukeys_maker REVOKE ALL ON TABLES FROM regress_falukeys_maker;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_falukeys_maker REVOKE ALL ON SEQUENCES FROM regress_falukeys_maker;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_falukeys_maker REVOKE ALL ON ROUTINES FROM regress_falukeys_maker, PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_falukeys_maker REVOKE ALL ON TYPES FROM regress_falukeys_maker, PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_falukeys_maker REVOKE ALL ON SCHEMAS FROM regress_falukeys_maker;
SET ROLE regress_falukeys_maker;
CREATE EXTENSION falukeys;
SELECT held FROM privilege EXCEPT SELECT unnest(:'plain'::text[]) ORDER BY 1;
SELECT unnest(:'plain'::text[]) EXCEPT SELECT held FROM privilege ORDER BY 1;
DROP EXTENSION falukeys;
DROP SCHEMA falukeys;
RESET ROLE;

-- A schema made before, with privileges of its own, granted on too, and default privileges in it
CREATE SCHEMA falukeys;
GRANT ALL ON SCHEMA falukeys TO PUBLIC;
GRANT ALL ON SCHEMA falukeys TO regress_falukeys_app WITH GRANT OPTION;
SET ROLE regress_falukeys_app;
GRANT CREATE ON SCHEMA falukeys TO "regress_falukeys app, 2";
RESET ROLE;
ALTER DEFAULT PRIVILEGES IN SCHEMA falukeys GRANT ALL ON TABLES TO regress_falukeys_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA falukeys GRANT ALL ON ROUTINES TO regress_falukeys_app;
CREATE EXTENSION falukeys;
SELECT held FROM privilege EXCEPT SELECT unnest(:'plain'::text[]) ORDER BY 1;
SELECT unnest(:'plain'::text[]) EXCEPT SELECT held FROM privilege ORDER BY 1;

-- grant_access and revoke_access look for themselves.
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA falukeys TO regress_falukeys_app;
SET ROLE regress_falukeys_app;
SELECT falukeys.grant_access('regress_falukeys_app', 'manager');
SELECT falukeys.revoke_access('regress_falukeys_app', 'manager');
SELECT falukeys.rotate_master_key();
SELECT falukeys.adopt_sealed_secrets();
RESET ROLE;
DROP EXTENSION falukeys;

-- A schema with anything in it: an overload of verify_key would be called instead of it.
SET ROLE regress_falukeys_maker;
CREATE FUNCTION falukeys.verify_key(key varchar) RETURNS boolean LANGUAGE sql AS 'SELECT true';
RESET ROLE;
CREATE EXTENSION falukeys;
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE EXTENSION falukeys;
\set VERBOSITY sqlstate
DROP FUNCTION falukeys.verify_key(varchar);
CREATE FUNCTION pg_temp.attempt(made text, dropped text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
	EXECUTE made;
	BEGIN
		CREATE EXTENSION falukeys;
	EXCEPTION WHEN object_not_in_prerequisite_state THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	END;
	EXECUTE dropped;
	RETURN coalesce(substring(detail FROM 'falukeys[.][^ ]+'), 'taken over');
END $$;
SELECT pg_temp.attempt('CREATE TABLE falukeys.foreign_one ()', 'DROP TABLE falukeys.foreign_one');
SELECT pg_temp.attempt('CREATE TYPE falukeys.foreign_one AS ENUM ()', 'DROP TYPE falukeys.foreign_one');
SELECT pg_temp.attempt('CREATE VIEW falukeys.foreign_one AS SELECT 1', 'DROP VIEW falukeys.foreign_one');
SELECT pg_temp.attempt('CREATE OPERATOR falukeys.=== (FUNCTION = pg_catalog.texteq, LEFTARG = text, RIGHTARG = text)',
	'DROP OPERATOR falukeys.=== (text, text)');
SELECT pg_temp.attempt('CREATE COLLATION falukeys.foreign_one FROM "C"', 'DROP COLLATION falukeys.foreign_one');
SELECT pg_temp.attempt('CREATE AGGREGATE falukeys.foreign_one (text) (SFUNC = pg_catalog.textcat, STYPE = text)',
	'DROP AGGREGATE falukeys.foreign_one (text)');
CREATE EXTENSION falukeys;

\c :before
DROP DATABASE regress_falukeys_plain;
DROP DATABASE regress_falukeys_defaults;
DROP ROLE regress_falukeys_app, "regress_falukeys app, 2", regress_falukeys_maker;
