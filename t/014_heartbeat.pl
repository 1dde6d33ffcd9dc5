# With preloading, an idle primary lets its standbys know that they miss nothing,
# as often as falukeys.max_standby_lag needs. What standbys make of it:
# 026_standby_faults.pl.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $primary = new_server('primary', init => { allows_streaming => 1 }, conf => <<CONF);
shared_preload_libraries = 'falukeys'
falukeys.max_standby_lag = 3s
falukeys.usage_flush_interval = 1h
wal_level = logical
CONF
my $workspace = new_workspace($primary, 'Heartbeat');
my ($id, $key) = split(/\|/, query($primary, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')"));

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

sub becomes
{
	my ($code, $what) = @_;

	return ok($standby->poll_query_until('postgres', "SELECT code FROM falukeys.verify_key('$key')", $code), $what);
}

sub next_xid { return query($primary, 'SELECT pg_snapshot_xmax(pg_current_snapshot())'); }

# Whether a few more begin without anyone's doing
sub more_transactions
{
	my $xid = next_xid();

	return $primary->poll_query_until('postgres',
		"SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint > $xid + 1");
}

my $place = query($primary, 'SELECT pg_current_wal_insert_lsn()');
my $xid = next_xid();
# Longer than the limit; and what is stale without a heartbeat stays so.
sleep(4);
becomes('valid', 'an idle primary is heard of');
cmp_ok(next_xid(), '>', $xid, 'by transactions');
cmp_ok(query($primary, "SELECT pg_current_wal_insert_lsn() - '$place'"), '<', 10000, 'that are small');
query($primary, 'CREATE PUBLICATION everything FOR ALL TABLES');
query($primary, "SELECT pg_create_logical_replication_slot('decoded', 'pgoutput')");
more_transactions();
query($primary, "SELECT falukeys.annotate_key('$id', 'After some of them')");
cmp_ok(query($primary, "SELECT count(*) FROM pg_logical_slot_get_binary_changes('decoded', NULL, NULL, "
	. "'proto_version', '1', 'publication_names', 'everything')"), '>', 0, 'logical decoding takes them');

configure($primary, 'falukeys.max_standby_lag' => '0');
becomes('stale_standby', 'without the heartbeat the standby is stale');
configure($primary, 'falukeys.max_standby_lag' => '3s');
becomes('valid', 'with it, it is not');
configure($primary, 'falukeys.max_standby_lag' => '10h');
becomes('stale_standby', 'a limit on the primary that is greater than that of the standby is too great');
configure($primary, 'falukeys.max_standby_lag' => '3s');
becomes('valid', 'a lesser one counts at once');

configure($primary, 'synchronous_standby_names' => 'nobody');
ok(more_transactions(), 'the heartbeat does not wait for synchronous standbys');
becomes('valid', 'and the others hear it');
configure($primary, 'synchronous_standby_names' => '');

query($primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	. "WHERE backend_type = 'falukeys usage launcher'");
sleep(4);
becomes('valid', 'the heartbeat goes on when its process has been ended');

$primary->stop('immediate');
becomes('stale_standby', 'a standby whose primary has died is stale');
$standby->stop;

# With few transaction ids left the server warns whoever takes one, with the name
# of a database. The launcher is connected to none. The slot keeps a VACUUM from
# mending that.

$primary->start;
$primary->stop;
my $few_left = 2**31 - 30_000_000;
my $segment = $primary->data_dir . sprintf('/pg_xact/%04X', $few_left / (32 * 32768));
append_to_file($segment, "\0" x (32 * 8192));
$primary->append_conf('postgresql.conf', "falukeys.max_standby_lag = 300ms\n");
command_ok([ 'pg_resetwal', '-x', $few_left, $primary->data_dir ], 'few transaction ids are left');
$primary->start;
my $launcher = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'falukeys usage launcher'";
$primary->poll_query_until('postgres', "SELECT EXISTS ($launcher)") or die;
my $pid = query($primary, $launcher);
my (undef, undef, $warning) = $primary->psql('postgres', 'SELECT pg_current_xact_id()');
like($warning, qr/WARNING.*must be vacuumed within/, 'the server warns of it');
ok(more_transactions(), 'the heartbeat goes on');
is(query($primary, $launcher), $pid, 'and so does its process');
$primary->stop;

done_testing();
