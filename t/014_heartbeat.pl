# With preloading, an idle primary lets its standbys know that they miss nothing,
# as often as falukeys.max_standby_lag needs.

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
CONF
my $workspace = new_workspace($primary, 'Heartbeat');
my ($id, $key) = split(/\|/, query($primary, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')"));

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
# Nothing else is to be heard of an idle primary for as long as this test takes.
$standby->append_conf('postgresql.conf', "wal_receiver_timeout = 10min\nwal_receiver_status_interval = 0\n");
$standby->start;
$primary->append_conf('postgresql.conf', "wal_sender_timeout = 0\n");
$primary->reload;
$primary->wait_for_catchup($standby);

sub becomes
{
	my ($code, $what) = @_;

	return ok($standby->poll_query_until('postgres', "SELECT code FROM falukeys.verify_key('$key')", $code), $what);
}

my $before = query($primary, 'SELECT pg_current_wal_insert_lsn()');
# Longer than the limit; and what is stale without a heartbeat stays so.
sleep(4);
becomes('valid', 'an idle primary is heard of');
isnt(query($primary, 'SELECT pg_current_wal_insert_lsn()'), $before, 'by a record in the WAL');
cmp_ok(query($primary, "SELECT pg_current_wal_insert_lsn() - '$before'"), '<', 10000, 'a small one');

configure($primary, 'falukeys.max_standby_lag' => '0');
becomes('stale_standby', 'without the heartbeat the standby is stale');
configure($primary, 'falukeys.max_standby_lag' => '3s');
becomes('valid', 'with it, it is not');

query($primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	. "WHERE backend_type = 'falukeys usage launcher'");
sleep(4);
becomes('valid', 'the heartbeat goes on when its process has been ended');

$primary->stop('immediate');
becomes('stale_standby', 'a standby whose primary has died is stale');

done_testing();
