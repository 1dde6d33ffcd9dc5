# Access is ordinary privileges and rows, so it goes through pg_dump, and it holds
# for roles that have really logged in.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('access', empty => 1);

query($node, <<SQL);
CREATE ROLE checker LOGIN; CREATE ROLE runner LOGIN; CREATE ROLE "Dashboard, x" LOGIN;
CREATE ROLE dan LOGIN; CREATE ROLE ada LOGIN; CREATE ROLE gone; CREATE ROLE group_of_dan; GRANT group_of_dan TO dan;
CREATE ROLE checker_no_more LOGIN;
CREATE DATABASE origin;
SQL
query($node, 'CREATE EXTENSION falukeys', 'origin');
query($node, <<SQL, 'origin');
SELECT falukeys.grant_access('checker', 'verifier'), falukeys.grant_access('runner', 'operator'),
	falukeys.grant_access('"Dashboard, x"', 'manager'),
	falukeys.grant_access('checker_no_more', 'verifier'), falukeys.revoke_access('checker_no_more', 'verifier');
SQL
my $workspace = query($node, "SELECT falukeys.create_workspace('Dumped', 'ada')", 'origin');
query($node, "SELECT falukeys.add_member('$workspace', 'group_of_dan', 'developer'), "
	. "falukeys.add_member('$workspace', 'gone', 'administrator')", 'origin');
my ($id, $key) = split(/\|/, query($node,
	"SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')", 'origin'));

# The SQLSTATE of what someone that has logged in says
sub said
{
	my ($database, $role, $sql) = @_;
	my ($status, $output, $messages) = $node->psql($database, "\\set VERBOSITY verbose\nBEGIN; $sql; ROLLBACK",
		extra_params => [ '-U', $role ], on_error_stop => 0);

	die "$role could not log in: $messages" if $status == 2;
	return $messages =~ /ERROR:\s+([0-9A-Z]{5}):/ ? $1 : 'done';
}

my %calls = (
	verify => "SELECT falukeys.verify_key('$key')",
	create_workspace => "SELECT falukeys.create_workspace('x')",
	roll => "SELECT falukeys.roll_key('$id')",
	disable => "SELECT falukeys.disable_key('$id')",
	add_member => "SELECT falukeys.add_member('$workspace', 'checker_no_more', 'developer')",
	grant => "SELECT falukeys.grant_access(current_user::regrole, 'manager')",
	become => 'SET SESSION AUTHORIZATION ada',
	see => "SELECT 1 / count(*) FROM falukeys.dashboard",
	see_usage => "SELECT 1 / count(*) FROM falukeys.usage, falukeys_internal.unflushed_usage(key_id)");
my %allowed = (
	checker => 'verify',
	runner => 'create_workspace disable see see_usage',
	'Dashboard, x' => 'add_member disable roll see see_usage',
	dan => 'disable roll see see_usage',
	ada => 'add_member become disable roll see see_usage',
	checker_no_more => '');

sub check_access
{
	my ($database) = @_;

	foreach my $role (sort keys %allowed)
	{
		my %outcome = map { ($_ => said($database, $role, $calls{$_})) } keys %calls;
		my @refused = grep { $outcome{$_} ne 'done' } keys %outcome;

		is(join(' ', sort grep { $outcome{$_} eq 'done' } keys %outcome), $allowed{$role}, "$database: what $role may");
		is(join(' ', grep { $outcome{$_} ne ($_ =~ /^see/ ? '22012' : '42501') } @refused), '',
			"$database: the rest is refused to $role as a privilege");
	}
	return;
}

sub privileges
{
	my ($database) = @_;

	return query($node, <<SQL, $database);
SELECT p.oid::regprocedure, a.grantee::regrole, a.privilege_type, a.is_grantable
FROM pg_proc AS p, aclexplode(proacl) AS a WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
ORDER BY 1, 2, 3
SQL
}

check_access('origin');

# Through pg_dump into another database

query($node, 'DROP OWNED BY gone; DROP ROLE gone');
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('origin'), '-f', $dump ], 'pg_dump');
query($node, 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ],
	'restored without an error');
check_access('restored');
is(privileges('restored'), privileges('origin'), 'the privileges on functions are the same');
is(query($node, "SELECT member, role FROM falukeys.members ORDER BY 1", 'restored'),
	"ada|administrator\ngroup_of_dan|developer", 'members are the same, but for the one that is gone');

my $sql = slurp_file($dump);
like($sql, qr/GRANT ALL ON FUNCTION falukeys\.verify_key\(.*\) TO checker/, 'the dump grants the level of a verifier');
unlike($sql, qr/^(?:GRANT|REVOKE) .*checker_no_more/m, 'and none that was taken back');

# DROP OWNED takes the level away, and the role can go.
query($node, 'DROP OWNED BY checker', $_) foreach ('origin', 'restored');
is(said('restored', 'checker', $calls{verify}), '42501', 'DROP OWNED took the level away');
is(privileges('restored') =~ /checker/ ? 'some' : 'none', 'none', 'with every privilege of it');
query($node, 'DROP ROLE checker');
is(query($node, "SELECT code FROM falukeys.verify_key('$key')", 'restored'), 'valid',
	'the superuser verifies as before');

# A level that was granted by hand is one, too.
query($node, 'GRANT EXECUTE ON FUNCTION falukeys_internal.manager_access() TO group_of_dan', 'restored');
is(said('restored', 'dan', $calls{add_member}), 'done', 'a level may be granted to a group by hand');
query($node, "SELECT falukeys.revoke_access('group_of_dan', 'manager')", 'restored');
is(said('restored', 'dan', $calls{add_member}), '42501', 'and taken back by the function');

# Default privileges open nothing, and neither does a dump of a database that has them.

my @everywhere = map { "ALTER DEFAULT PRIVILEGES GRANT ALL "
	. "ON $_ TO runner WITH GRANT OPTION" } qw(TABLES SEQUENCES ROUTINES TYPES SCHEMAS);

sub all_privileges
{
	my ($database) = @_;

	return query($node, <<SQL, $database);
SELECT classid::regclass, pg_describe_object(classid, objid, 0), a.grantee, a.privilege_type, a.is_grantable
FROM (SELECT 'pg_class'::regclass AS classid, oid AS objid,
	coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl
		FROM pg_class WHERE relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
			AND relkind IN ('r', 'v', 'S')
	UNION ALL SELECT 'pg_proc'::regclass, oid, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
	WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
	UNION ALL SELECT 'pg_type'::regclass, oid, coalesce(typacl, acldefault('T', typowner)) FROM pg_type
	WHERE typnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND typcategory <> 'A'
	UNION ALL SELECT 'pg_namespace'::regclass, oid, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace
	WHERE nspname IN ('falukeys', 'falukeys_internal')) o, aclexplode(acl) a
ORDER BY 1, 2, 3, 4
SQL
}

query($node, "CREATE DATABASE $_") foreach ('bare', 'open', 'open_restored', 'opened');
query($node, 'CREATE EXTENSION falukeys', 'bare');
query($node, join('; ', @everywhere, 'CREATE EXTENSION falukeys'), 'open');
is(all_privileges('open'), all_privileges('bare'), 'with default privileges nobody has more than without');
$node->command_ok([ 'pg_dump', '-d', $node->connstr('open'), '-f', $dump ], 'pg_dump');
unlike(slurp_file($dump), qr/^(?:GRANT|REVOKE) .*falukeys/m, 'its dump grants and revokes nothing of ours');
query($node, join('; ', @everywhere), 'opened');
foreach my $database ('open_restored', 'opened')
{
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', $dump ],
		"$database: restored without an error");
	is(all_privileges($database), all_privileges('bare'), "$database: nobody has more than without");
}
query($node, "CREATE TABLE falukeys.of_mine (); SELECT falukeys.grant_access('checker_no_more', 'verifier')", 'open');
$node->command_ok([ 'pg_dump', '-Fc', '-d', $node->connstr('open'), '-f', "$dump.custom" ],
	'pg_dump, with a table of someone else in the schema');
foreach my $database ('open_restored', 'open')
{
	$node->command_ok([ 'pg_restore', '--clean', '--if-exists', '-e', '-d', $node->connstr($database), "$dump.custom" ],
		"$database: pg_restore --clean");
	is(query($node, "SELECT has_function_privilege('checker_no_more', 'falukeys_internal.verifier_access()', "
		. "'EXECUTE')", $database), 't', "$database: what was granted is");
	is(query($node, "SELECT has_table_privilege('runner', 'falukeys.keys', 'SELECT')", $database), 'f',
		"$database: and no more");
}

$node->stop;
done_testing();
