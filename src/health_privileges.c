/*
 * health_privileges.c
 *		What opens more than installation and grant_access do.
 *
 * What an object had when it was installed stands in pg_init_privs, which a
 * restore and pg_upgrade keep.
 */
#include "postgres.h"

#include "access_level.h"
#include "health_privileges.h"

#define GRANTEE(role) \
	"CASE " role " WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(" role ")) END"

/*
 * A level is given by all that its list names, and whoever has the first of
 * these has the level.  The schema of the extension may have been there before.
 */
const char *const health_privileges_query =
"WITH member AS (SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid"
" WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'falukeys'),"
" object AS ("
" SELECT 1 AS kind, c.tableoid AS classid, c.oid AS objid, 0 AS part, 'TABLE ' || c.oid::regclass AS name, c.relowner AS owner,"
" c.relacl AS acl, acldefault('r', c.relowner) AS usual"
" FROM pg_class AS c JOIN member AS m ON m.classid = c.tableoid AND m.objid = c.oid WHERE c.relkind IN ('r', 'v')"
" UNION ALL SELECT 2, c.tableoid, c.oid, a.attnum, '(' || quote_ident(a.attname) || ') ON TABLE ' || c.oid::regclass, c.relowner, a.attacl, NULL"
" FROM pg_class AS c JOIN member AS m ON m.classid = c.tableoid AND m.objid = c.oid"
" JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE a.attacl IS NOT NULL"
" UNION ALL SELECT 3, p.tableoid, p.oid, 0, 'FUNCTION ' || p.oid::regprocedure, p.proowner, p.proacl, acldefault('f', p.proowner)"
" FROM pg_proc AS p JOIN member AS m ON m.classid = p.tableoid AND m.objid = p.oid"
" UNION ALL SELECT 4, n.tableoid, n.oid, 0, format('SCHEMA %I', n.nspname), n.nspowner, n.nspacl,"
" acldefault('n', n.nspowner) || makeaclitem(0, n.nspowner, 'USAGE', false)"
" FROM pg_namespace AS n WHERE n.nspname IN ('falukeys', 'falukeys_internal')),"
" level AS (SELECT to_regprocedure(f || ')') AS function, first_value(to_regprocedure(f || ')')) OVER (PARTITION BY list ORDER BY n) AS marker"
" FROM (VALUES ($1), ($2), ($3), ($4)) AS v (list), regexp_split_to_table(list, '\\),? *') WITH ORDINALITY AS f (f, n) WHERE f <> ''),"
" given AS (SELECT l.function, a.grantee FROM level AS l JOIN pg_proc AS p ON p.oid = l.marker, aclexplode(p.proacl) AS a WHERE a.grantee <> 0),"
" beyond AS ("
" SELECT o.kind, o.name, a.grantee, a.privilege_type, a.is_grantable AND EXISTS (SELECT FROM given AS g WHERE o.kind = 3 AND g.function = o.objid AND g.grantee = a.grantee) AS only_option"
" FROM object AS o, aclexplode(coalesce(o.acl, o.usual)) AS a"
" WHERE a.grantee <> o.owner"
" AND NOT EXISTS (SELECT FROM aclexplode(coalesce((SELECT i.initprivs FROM pg_init_privs AS i"
" WHERE o.kind <> 4 AND i.classoid = o.classid AND i.objoid = o.objid AND i.objsubid = o.part), o.usual)) AS b"
" WHERE b.grantee = a.grantee AND b.privilege_type = a.privilege_type AND (b.is_grantable OR NOT a.is_grantable))"
" AND (a.is_grantable OR NOT EXISTS (SELECT FROM given AS g WHERE o.kind = 3 AND g.function = o.objid AND g.grantee = a.grantee)))"
" SELECT format('Run REVOKE %s%s%s %s FROM %s CASCADE.', CASE WHEN only_option THEN 'GRANT OPTION FOR ' END,"
" CASE kind WHEN 2 THEN string_agg(privilege_type || ' ' || split_part(name, ' ON ', 1), ', ' ORDER BY privilege_type)"
" ELSE string_agg(privilege_type, ', ' ORDER BY privilege_type) END,"
" ' ON', CASE kind WHEN 2 THEN substr(name, strpos(name, ' ON ') + 4) ELSE name END, " GRANTEE("grantee") ")"
" FROM beyond GROUP BY kind, name, grantee, only_option"
" UNION ALL SELECT format('Run ALTER %s OWNER TO %I, since its owner is no superuser.', name,"
" (SELECT rolname FROM pg_roles WHERE rolsuper ORDER BY oid <> (SELECT extowner FROM pg_extension WHERE extname = 'falukeys'), oid LIMIT 1))"
" FROM object JOIN pg_roles AS r ON r.oid = owner WHERE kind <> 2 AND NOT rolsuper"
" ORDER BY 1";

/* Types are everyone's, and no schema is made by an upgrade. */
const char *const health_default_privileges_query =
"SELECT format('Run ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE %s ON %s FROM %s.', pg_get_userbyid(d.defaclrole),"
" ' IN SCHEMA ' || quote_ident(n.nspname), string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type),"
" CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' ELSE 'FUNCTIONS' END, " GRANTEE("a.grantee") ")"
" FROM pg_default_acl AS d LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) AS a"
" WHERE d.defaclobjtype IN ('r', 'S', 'f') AND a.grantee <> d.defaclrole"
" AND (n.nspname IN ('falukeys', 'falukeys_internal')"
" OR (d.defaclnamespace = 0 AND d.defaclrole = (SELECT extowner FROM pg_extension WHERE extname = 'falukeys')))"
" AND NOT EXISTS (SELECT FROM aclexplode(acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole)) AS b"
" WHERE b.grantee = a.grantee AND b.privilege_type = a.privilege_type)"
" GROUP BY d.defaclrole, n.nspname, d.defaclobjtype, a.grantee ORDER BY 1";

void
health_privileges_levels(Parameter levels[HEALTH_PRIVILEGES_LEVELS])
{
	for (int level = 0; level < HEALTH_PRIVILEGES_LEVELS; level++)
		levels[level] = parameter_string(access_level_functions((AccessLevel) level));
}
