# A standby with preloading counts verifications in its own memory, shows them on
# top of what its primary flushed, and flushes them once it is promoted.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use UsageTest;

my $primary = counting_server('primary', "max_connections = 30\nmax_prepared_transactions = 1\n",
	init => { allows_streaming => 1 });
my $workspace = new_workspace($primary, 'Standby');
my ($id, $key) = new_key($primary, $workspace);
my ($other, $other_key) = new_key($primary, $workspace);
query($primary, "CREATE TABLE crowd AS SELECT k.* FROM generate_series(1, 300) AS n, "
	. "falukeys.create_key('$workspace', 'secret', 'test', n::text) AS k");
my $crowd = 'SELECT code, count(*) FROM crowd, LATERAL falukeys.verify_key(key) GROUP BY 1';

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "falukeys.max_tracked_keys = 32\n");
$standby->start;

sub replayed
{
	wait_for_flush($primary);
	$primary->wait_for_catchup($standby);
	return;
}

# On the standby, the key's counts: up to now, and in its key_usage
sub standby_is
{
	my ($counted, $flushed, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return is(counted($standby, $id) . ' ' . flushed($standby, $id), "$counted $flushed", $name);
}

sub launcher_idles
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return is(query($standby,
			"SELECT string_agg(backend_type, ', ') FROM pg_stat_activity WHERE backend_type LIKE 'falukeys%'"),
		'falukeys usage launcher', $name);
}

sub test_counting
{
	verify($primary, $key, 2);
	query($primary, "SELECT falukeys.verify_key('$key', client => '192.0.2.1')");
	replayed();
	standby_is('3|0', '3|0', 'what the primary flushed is seen on the standby');
	verify($standby, $key, 4);
	query($standby, "SELECT falukeys.verify_key('$key', mode => 'live')");
	standby_is('7|1', '3|0', 'what the standby verified is on top of it');
	is(pending($standby, $id), '4|1', 'not flushed');
	is(query($standby, "SELECT last_client FROM falukeys.usage WHERE key_id = '$id'"), '192.0.2.1',
		'the last client is the one that the primary knows');
	query($standby, "SELECT falukeys.verify_key('$key', client => '192.0.2.2')");
	is(query($standby, "SELECT last_client, last_used_at > (SELECT last_used_at FROM falukeys.key_usage "
		. "WHERE key_id = '$id') FROM falukeys.usage WHERE key_id = '$id'"),
		'192.0.2.2|t', 'then the one that the standby knows');
	is(query($standby, "SELECT uses, last_used_at > (SELECT last_used_at FROM falukeys.key_usage WHERE key_id = '$id') "
		. "FROM falukeys.dashboard WHERE key_id = '$id'"),
		'8|t', 'and so in the dashboard');

	query($primary, "SELECT falukeys.roll_key('$other', '1 hour')");
	replayed();
	is_code($standby, $other_key, 'valid', 'a retired secret is presented there');
	is(query($standby, "SELECT uses, last_retired_at IS NOT NULL FROM falukeys.usage WHERE key_id = '$other'"), '1|t',
		'which is known there');
	is(query($primary, "SELECT uses, last_retired_at IS NOT NULL FROM falukeys.usage WHERE key_id = '$other'"), '0|f',
		'and not on the primary');

	my $stale = query($standby,
		"SET falukeys.max_standby_lag = '1ms'; SELECT pg_sleep(0.1); SELECT v.code FROM generate_series(1, 5), "
		. "falukeys.verify_key('$key') AS v");
	like($stale, qr/stale_standby/, 'a standby may be too stale to verify');
	my $valid = 8 + (() = $stale =~ /valid/g);
	verify($primary, $key, 10);
	replayed();
	standby_is($valid + 10 . '|1', '13|0', 'that counts nothing; what the primary flushes meanwhile is seen');
	is(counted($primary, $id), '13|0', 'the primary knows of its own only');
	return $valid;
}

sub test_restarts
{
	my ($valid) = @_;

	foreach my $mode ('fast', 'smart')
	{
		$standby->stop($mode);
		$standby->start;
		$primary->wait_for_catchup($standby);
		standby_is($valid + 10 . '|1', '13|0', "kept over a restart of the standby, $mode");
	}
	verify($standby, $key, 1);
	standby_is($valid + 11 . '|1', '13|0', 'and counted on');
	$standby->stop;
	$primary->stop;
	$primary->start;
	$standby->start;
	$primary->wait_for_catchup($standby);
	standby_is($valid + 11 . '|1', '13|0', 'also when both restart');
	launcher_idles('the launcher starts no worker on the standby');

	$standby->stop('immediate');
	$standby->start;
	$primary->wait_for_catchup($standby);
	standby_is('13|0', '13|0', 'what was kept once is not counted again after a crash');
	verify($standby, $key, 5);
	standby_is('18|0', '13|0', 'and it counts anew');
	return;
}

# Nothing is flushed there, so the least recently used make room.
sub test_crowd
{
	my $uses = sum_of($standby, 'usage');

	is(query($standby, "SET statement_timeout = '60s'; $crowd"), 'valid|300',
		'with counters for 32 keys on the standby, 300 verify');
	cmp_ok(sum_of($standby, 'usage'), '<', $uses + 300, 'not all is counted');
	my ($last_id, $last_key) = new_key($primary, $workspace);
	replayed();
	verify($standby, $last_key, 20);
	is(counted($standby, $last_id), '20|0', 'those used last are');
	cmp_ok(query($standby, 'SELECT count(*) FROM falukeys.usage AS u, falukeys_internal.unflushed_usage(u.key_id) AS m '
		. 'WHERE m.uses > 0'), '<=', 32, 'as many as there is room for');
	ok($standby->wait_for_log(qr/verifications are not in the usage/), 'and the log says so');
	return;
}

sub test_promotion
{
	my $usage = 'SELECT key_id, uses, denials, last_used_at, last_client, last_retired_at FROM';
	my $before = query($standby, "$usage falukeys.usage WHERE uses + denials > 0 ORDER BY key_id");
	my $flushed = sum_of($standby, 'key_usage');

	launcher_idles('the launcher has still started no worker');
	$standby->promote;
	wait_for_flush($standby);
	is(query($standby, "$usage falukeys.key_usage ORDER BY key_id"), $before,
		'once promoted, it flushes what it counted');
	cmp_ok(sum_of($standby, 'key_usage'), '>=', $flushed + 20, 'which was something');
	wait_for_worker($standby, 'postgres');
	$flushed = sum_of($standby, 'key_usage');
	is(query($standby, $crowd), 'valid|300', '300 verify');
	wait_for_flush($standby);
	is(sum_of($standby, 'key_usage'), $flushed + 300, 'and now that room is made, each is counted');
	no_complaints($_, $_->name . ': no worker has complained') foreach ($primary, $standby);
	return;
}

# A standby that is a copy of a stopped server does not count again what that
# one kept, and will flush.
sub test_cold_copy
{
	my ($copied, $name) = @_;
	my ($new_id, $new_key) = new_key($primary, $workspace);

	replayed();
	# Where nothing can be flushed, also not at shutdown, the counts stay in memory.
	query($primary, "BEGIN; LOCK TABLE falukeys.key_usage IN SHARE MODE; PREPARE TRANSACTION 'locker'");
	verify($copied, $new_key, 50);
	is(pending($copied, $new_id), '50|0', "$name: there is something to keep");
	$_->stop foreach ($standby, $primary);
	ok(-e $copied->data_dir . '/pg_stat/falukeys.usage', "$name: which is kept");
	$copied->backup_fs_cold('cold');
	$_->start foreach ($primary, $standby);
	my $copy = PostgreSQL::Test::Cluster->new($copied->name . '_copy');
	$copy->init_from_backup($copied, 'cold', has_streaming => 1);
	$copy->append_conf('postgresql.conf', "primary_conninfo = '" . $primary->connstr . "'");
	$copy->start;
	query($primary, "COMMIT PREPARED 'locker'");
	replayed();
	$primary->wait_for_catchup($copy, 'replay', $primary->lsn('insert'));
	is(counted($copied, $new_id), '50|0', "$name: kept where it was counted");
	is(counted($copy, $new_id), counted($primary, $new_id), "$name: and not a second time by its copy");
	ok(!-e $copy->data_dir . '/pg_stat/falukeys.usage', "$name: which removes the file");
	$copy->stop;
	return;
}

test_restarts(test_counting());
test_cold_copy($primary, 'primary');
test_cold_copy($standby, 'standby');
test_crowd();
test_promotion();
done_testing();
