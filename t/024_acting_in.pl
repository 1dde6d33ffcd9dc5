# falukeys.acting_in fails closed wherever it comes from: a role, a connection, a
# configuration file, or a session that had not loaded the library yet.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('acting_in');
my $long = 'x' x 100;

query($node, <<'SQL');
CREATE ROLE portal LOGIN;
CREATE ROLE tenant LOGIN;
SELECT falukeys.grant_access('portal', 'manager');
SQL
my ($own, $other) = map { new_workspace($node, $_) } qw(own other);
query($node, "SELECT falukeys.add_member('$_', 'tenant', 'developer')") foreach $own, $other;

# How many workspaces a new session sees, once it has done something
sub seen
{
	my ($role, $first, %environment) = @_;
	local %ENV = (%ENV, PGUSER => $role, %environment);

	return query($node, "$first; SELECT count(DISTINCT workspace_id) || ' ' || (SELECT count(*) "
		. "FROM falukeys.workspace_list) FROM falukeys.dashboard");
}

foreach my $preloaded ('', 'falukeys')
{
	configure($node, shared_preload_libraries => $preloaded);
	$node->restart;
	my $with = $preloaded ? 'preloaded' : 'not preloaded';

	foreach my $role (qw(portal tenant))
	{
		is(seen($role, ''), '2 2', "$role, $with: both workspaces");
		is(seen($role, "SET falukeys.acting_in = '$own'"), '1 1', 'set before anything else: one');
		is(seen($role, "SET falukeys.acting_in = 'none'"), '0 0', 'set to no id: none');
		is(seen($role, '', PGOPTIONS => "-c falukeys.acting_in=$own"), '1 1', 'by the connection: one');
		is(seen($role, '', PGOPTIONS => "-c falukeys.acting_in=none"), '0 0', 'by the connection to no id: none');
	}
	# Where the library is there the server refuses it, and else it leaves nothing.
	if ($preloaded)
	{
		refused($node, "SET ROLE portal; SET falukeys.acting_in = '$long'", '22023', qr/invalid value/,
			'a value too long is refused');
	}
	else
	{
		is(seen('portal', "SET falukeys.acting_in = '$long'"), '0 0',
			'a value too long, set before the library was there, leaves none');
		is(query($node, "SET falukeys.acting_in = '$long'; SELECT falukeys.kind_of("
				. "'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'); SHOW falukeys.acting_in"), "secret\n?",
			'and is not shown, since it may be a key');
		is(seen('portal', '', PGOPTIONS => "-c falukeys.acting_in=$long"), '0 0', 'by the connection, too');
		is(seen('portal', "BEGIN; SET LOCAL falukeys.acting_in = '$long'; SAVEPOINT s; "
				. "SELECT falukeys.kind_of('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'); ROLLBACK TO s")
			=~ s/.*\n//sr,
			'0 0', 'and in a savepoint that is rolled back');
	}
}

# A role that starts with nothing: who forgets to say for whom it acts sees nothing.
query($node, "ALTER ROLE portal SET falukeys.acting_in = 'none'");
is(seen('portal', ''), '0 0', 'a default of the role leaves nothing');
like(seen('portal', "SELECT set_config('falukeys.acting_in', '$own', false) IS NOT NULL"), qr/^1 1$/m,
	'until a request says for whom it is');
like(seen('portal', "SELECT set_config('falukeys.acting_in', NULL, false)"), qr/^0 0$/m,
	'NULL brings the default back');
like(seen('portal', "SET falukeys.acting_in = '$own'; RESET falukeys.acting_in"), qr/^0 0$/m, 'so does RESET');
like(seen('portal', "SET falukeys.acting_in = '$own'; DISCARD ALL"), qr/^0 0$/m, 'and DISCARD ALL');
like(seen('portal', "SET falukeys.acting_in = ''"), qr/^2 2$/m, 'the empty text is no narrowing');
query($node, 'ALTER ROLE portal RESET falukeys.acting_in');

# A file that was written while nothing could check it
$node->append_conf('postgresql.conf', "falukeys.acting_in = '$long'\n");
$node->restart;
is(seen('portal', ''), '0 0', 'a value too long in the configuration leaves nothing');
is(seen('portal', "SET falukeys.acting_in = '$other'"), '1 1', 'unless a session says more');
$node->append_conf('postgresql.conf', "falukeys.acting_in = ''\n");
$node->restart;

# Parallel workers decide as the session does.
query($node, "INSERT INTO falukeys.workspaces (name) SELECT 'many' FROM generate_series(1, 500)");
query($node, 'ANALYZE falukeys.workspaces');
my $parallel = "SET falukeys.acting_in = '$own'; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
	. "SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2; "
	. "SET parallel_leader_participation = off;";
like(query($node, "$parallel EXPLAIN SELECT count(*) FROM falukeys.workspaces "
	. "WHERE falukeys_internal.sees_every_workspace() OR id = falukeys_internal.acting_workspace()"),
	qr/Parallel Seq Scan/, 'there are parallel workers');
is(query($node, "$parallel SELECT count(*) FROM falukeys.workspaces WHERE falukeys_internal.sees_every_workspace() "
	. "OR id = falukeys_internal.acting_workspace()"),
	1, 'which see what the session does');

$node->stop;
done_testing();
