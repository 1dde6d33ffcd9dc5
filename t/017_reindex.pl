# REINDEX beside single calls: no one deadlocks, and verification never raises.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('reindex', conf => <<CONF);
deadlock_timeout = 10ms
max_connections = 20
CONF
my $workspace = new_workspace($node, 'Reindex');
query($node, q{SELECT falukeys.define_permission('read')});
query($node, 'CREATE ROLE reindex_member');
my ($id, $key) = split(/\|/, query($node,
	"SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test', NULL, '{read}', '{192.0.2.0/24}')"));
my ($old_id, $old) = split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')"));
query($node, "SELECT FROM falukeys.roll_key('$old_id', '1 day')");
my ($temporary) = query($node, "SELECT key FROM falukeys.create_temporary_key('$workspace', 'test', '{object}')");

my @tables = qw(keys workspaces retired_secrets members key_permissions key_networks key_objects);

sub script
{
	my ($name, @statements) = @_;
	my $file = $node->basedir . "/$name.sql";

	append_to_file($file, join(";\n", @statements) . ";\n");
	return $file;
}

# What each call reads or writes, in a transaction of its own
my $verifying = script('verifying',
	"SELECT 1 / (code = 'valid')::integer FROM falukeys.verify_key('$key', 'read', '192.0.2.1')",
	"SELECT 1 / (code = 'valid')::integer FROM falukeys.verify_key('$old')",
	"SELECT 1 / (code = 'valid')::integer FROM falukeys.verify_key('$temporary', object_id => 'object')",
	"SELECT 1 / (code = 'valid')::integer FROM falukeys.authenticate('$key', 'read', '192.0.2.1')");
my $managing = script('managing',
	"SELECT falukeys.annotate_key('$id', 'annotated')",
	"SELECT FROM falukeys.roll_key('$id')",
	"SELECT falukeys.restrict_key('$id', '{read}', '{192.0.2.0/24}')",
	"SELECT falukeys.clear_permissions('$id')",
	"SELECT falukeys.disable_key('$id')",
	"SELECT falukeys.enable_key('$id')",
	"SELECT falukeys.wait_for_key('$id')",
	"SELECT FROM falukeys.create_key('$workspace', 'secret', 'test')",
	"SELECT FROM falukeys.create_temporary_key('$workspace', 'test', '{object}', '{read}')",
	"SELECT falukeys.create_workspace('Reindex')",
	"SELECT falukeys.add_member('$workspace', 'reindex_member', 'developer')");
my $deciding = script('deciding',
	"SELECT falukeys.suspend_workspace('$workspace')",
	"SELECT falukeys.resume_workspace('$workspace')");

# Runs pgbench while the tables are reindexed over and over.
sub without_failure
{
	my ($what, $clients, $times, $file) = @_;
	my ($output, $errors) = ('', '');
	my $bench = IPC::Run::start(
		[
			'pgbench', '-n', '-c', $clients, '-j', $clients, '-t', $times, '-f', $file,
			'-h', $node->host, '-p', $node->port, 'postgres'
		],
		'>', \$output, '2>', \$errors);
	my %reindexed;

	while ($bench->pumpable)
	{
		foreach my $table (@tables)
		{
			my ($state) = attempt($node, "REINDEX TABLE falukeys.$table");

			$reindexed{$state}++;
		}
		$bench->pump_nb;
	}
	$bench->finish;
	is(join(' ', keys %reindexed), '00000', "$what: every REINDEX is done");
	ok($errors !~ /error|aborted/i && $output =~ /failed transactions: 0 /, "$what: every call is answered")
	  or diag "$output\n$errors";
	return;
}

without_failure('verification', 2, 2000, $verifying);
query($node, "SELECT FROM falukeys.clear_networks('$id')");
without_failure('management', 2, 100, $managing);
without_failure('states of a workspace', 1, 200, $deciding);
my $log = slurp_file($node->logfile);
unlike($log, qr/deadlock detected/, 'no deadlock in the log');

done_testing();
