# pg_upgrade and pg_dumpall bring every row and every verdict to a newer server:
# from the server whose programs are in bin of FALUKEYS_OLD_SERVER, where
# falukeys is installed too, or else from another one of the same version.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PlatformTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $old_path = $ENV{FALUKEYS_OLD_SERVER};
# From PostgreSQL 18 on, initdb makes checksums unless it is told otherwise.
my %init = (empty => 1, init => { extra => [ '-E', 'UTF8', '--locale', 'C', '--data-checksums' ] });
# While pg_upgrade runs, nothing of what is preloaded may be in its way.
my $preloading = <<CONF;
shared_preload_libraries = 'falukeys'
falukeys.max_standby_lag = '3s'
falukeys.usage_flush_interval = 50ms
log_min_messages = debug1
CONF

my $old = new_server('old', %init, conf => $preloading, install_path => $old_path);

make_roles($old);
query($old, 'CREATE DATABASE origin');
query($old, 'CREATE DATABASE copy');
make_platform($old, 'origin');
note('from ' . query($old, 'SELECT version()'));
$old->stop;
# What is counted is flushed by now, and stays as it is.
$old->append_conf('postgresql.conf', 'falukeys.track_usage = off');
$old->start;
remember();
check_same($old, 'origin');
my $last_event = query($old, 'SELECT max(id) FROM falukeys.events', 'origin');
run_for($old, 'pg_dumpall', '-f', "$directory/all");
$old->stop;
my $master_key = $old->data_dir . '/falukeys.key';

sub upgrade
{
	my ($mode) = @_;
	my $new = new_server("new_$mode", %init, conf => $preloading);
	my ($bin) = run_command([ 'pg_config', '--bindir' ]);

	$new->stop;
	chdir($directory) or die "could not change to $directory: $!";
	command_ok([ 'pg_upgrade', '--no-sync', '--retain', $mode eq 'link' ? '--link' : (),
		'-d', $old->data_dir, '-D', $new->data_dir,
		'-b', defined $old_path ? "$old_path/bin" : $bin, '-B', $bin, '-s', $directory,
		'-p', $old->port, '-P', $new->port, '-j', '2' ], "pg_upgrade --$mode");
	my @logs = sort(glob($new->data_dir . '/pg_upgrade_output.d/*/log/*server*.log'));
	my $logs = join('', map { slurp_file($_) } @logs);
	like($logs, qr/database system is ready/, "$mode: what the servers say is there");
	ok($logs !~ /background worker "falukeys/, "$mode: no background process of ours was started");
	$new->start;
	note('to ' . query($new, 'SELECT version()'));
	return $new;
}

# All is there before the master key is, but what is sealed opens with it only.
sub check_upgraded
{
	my ($new, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	check_same($new, 'origin');
	is(query($new, 'SELECT count(*) FROM falukeys.members WHERE NOT EXISTS (SELECT FROM pg_roles r '
		. 'WHERE r.oid = member)', 'origin'), 1, "$name: a member whose role is gone still is");
	is(query($new, 'SELECT max(id) FROM falukeys.events', 'origin'), $last_event, "$name: no event came");
	refused($new, "SELECT falukeys.reveal_key('" . sealed('test') . "')", '55000',
		qr/falukeys\.key" does not exist/, "$name: without the master key nothing opens", 'origin');
	return;
}

sub copy_master_key
{
	my ($new) = @_;

	system_or_bail('cp', '-p', $master_key, $new->data_dir . '/falukeys.key');
	return;
}

foreach my $mode ('copy', 'link')
{
	my $new = upgrade($mode);

	check_upgraded($new, $mode);
	copy_master_key($new);
	check_sealed($new, 'origin');
	check_adopted($new, 'origin');
	check_goes_on($new, 'origin');
	# What the new server counts is counted on top of the old.
	$new->poll_query_until('origin', "SELECT sum(uses) > 100 FROM falukeys.key_usage")
	  or die 'nothing was flushed';
	query($new, 'CREATE EXTENSION falukeys', 'copy');
	query($new, 'DROP EXTENSION falukeys CASCADE', 'origin');
	$new->stop;
}

# By the newer pg_dumpall, as roles and databases in one script. It makes roles
# that are there.
my $other = new_server('other', %init);
{
	local $ENV{PGHOST} = $other->host;
	local $ENV{PGPORT} = $other->port;
	my ($out, $messages) = run_command([ 'psql', '-Xq', '-d', 'postgres', '-o', '/dev/null', '-f', "$directory/all" ]);

	is(join("\n", grep { /ERROR/ && !/role "\w+" already exists/ } split(/\n/, $messages)), '',
		'pg_dumpall: nothing else fails');
}
check_restored($other, 'origin');
copy_master_key($other);
check_sealed($other, 'origin');
check_adopted($other, 'origin');
check_goes_on($other, 'origin');

$other->stop;
done_testing();
