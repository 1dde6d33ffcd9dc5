# The workers that flush counts of verifications: whatever ends them, their
# server or their database, nothing is lost without need, and nothing is counted
# twice; nor are they in anyone's way.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use File::Copy;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use UsageTest;

my $node = counting_server('usage', "max_connections = 40\nmax_prepared_transactions = 2\n");
my $workspace = new_workspace($node, 'Usage');
my ($id, $key) = new_key($node, $workspace);
my $uses = 0;

sub verify_more
{
	verify($node, $key, $_[0]);
	$uses += $_[0];
	return;
}

# Processes that are ended

sub test_ended
{
	my $transactions = 8 * 500;
	my $pgbench = start_pgbench($node, "SELECT falukeys.key_allows('$key', NULL, NULL);\n", '-c', 8, '-t',
		$transactions / 8, '-R', 800);
	my %ended;

	while ($pgbench->{run}->pumpable)
	{
		my $pids = query($node, "SELECT backend_type, pid FROM pg_stat_activity "
			. "WHERE backend_type LIKE 'falukeys usage %' AND pg_terminate_backend(pid)");

		$ended{$1}{$2} = 1 while $pids =~ /(\w+)\|(\d+)/g;
		# It may have ended just now.
		eval { $pgbench->{run}->pump_nb };
		sleep(0.2);
	}
	finish_pgbench($pgbench, $transactions);
	cmp_ok(scalar(keys %{ $ended{$_} }), '>=', 2, "the $_ was ended several times during it")
		foreach ('launcher', 'worker');
	$uses += $transactions;
	is(counted($node, $id), "$uses|0", 'nothing is lost or counted twice');
	wait_for_flush($node);
	is(flushed($node, $id), "$uses|0", 'nor when all is flushed');

	# One that was just ended is started again only where there is something to flush.
	verify_more(1);
	wait_for_worker($node, 'postgres');
	query($node, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'falukeys usage %'");
	verify_more(3);
	wait_for_flush($node);
	is(flushed($node, $id), "$uses|0", 'nor when they are cancelled');
	return;
}

# Restarts

sub start_preloading
{
	my ($what) = @_;

	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$what'\n");
	$node->start;
	return;
}

sub test_restart
{
	my ($mode) = @_;
	my $usage = "SELECT uses, denials, last_used_at, last_client, last_retired_at FROM falukeys.usage "
		. "WHERE key_id = '$id'";

	# A worker flushes as soon as it is there, and from then on once an hour.
	verify_more(1);
	wait_for_flush($node);
	wait_for_worker($node, 'postgres');
	verify_more(2);
	query($node, "SELECT falukeys.key_allows('$key', NULL, '192.0.2.3')");
	$uses++;
	is(flushed($node, $id) . ' ' . pending($node, $id) . ' ' . counted($node, $id), $uses - 3 . "|0 3|0 $uses|0",
		"stop $mode: before it, some is not flushed");
	my $before = query($node, $usage);

	$node->stop($mode);
	start_preloading('');
	is(query($node, $usage), $before, "stop $mode: the worker flushed");
	is(flushed($node, $id), "$uses|0", "stop $mode: to the table");

	is_code($node, $key, 'valid', 'without preloading keys verify');
	is(query($node, "SELECT * FROM falukeys_internal.unflushed_usage('$id')"), '|||||', 'and unflushed_usage is NULL');
	is(query($node, $usage), $before, 'nothing is counted');
	is(query($node, "SELECT uses FROM falukeys.dashboard WHERE key_id = '$id'"), $uses, 'the dashboard shows what was');
	is(query($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'falukeys%'"), 0,
		'and no process of ours is there');
	$node->stop;
	start_preloading('falukeys');
	is(query($node, $usage), $before, 'the same with preloading again');
	return;
}

# What a worker cannot flush when the server stops is kept.
sub test_kept
{
	query($node, "BEGIN; UPDATE falukeys.key_usage SET uses = uses; PREPARE TRANSACTION 'lock'");
	verify_more(4);
	query($node, "SELECT falukeys.verify_key('$key', client => '192.0.2.9')");
	$uses++;
	my $usage = "SELECT uses, denials, last_used_at, last_client, last_retired_at FROM falukeys.usage "
		. "WHERE key_id = '$id'";
	my $before = query($node, $usage);

	is(flushed($node, $id), $uses - 5 . '|0', 'a lock keeps counts from being flushed');
	$node->restart;
	is(query($node, $usage), $before, 'they are kept over a restart');
	$node->stop;
	my $hba = $node->data_dir . '/pg_hba.conf';
	copy($hba, "$hba.good") or die;
	append_to_file($hba, "garbage\n");
	is($node->start(fail_ok => 1), 0, 'a start fails');
	move("$hba.good", $hba) or die;
	$node->start;
	is(query($node, $usage), $before, 'they are kept over that');
	$node->stop('smart');
	start_preloading('');
	is(counted($node, $id), $uses - 5 . '|0', 'without preloading they are not seen');
	$node->stop;
	start_preloading('falukeys');
	is(query($node, $usage), $before, 'with it, they are');

	# Read once, they must not be read a second time.
	query($node, "COMMIT PREPARED 'lock'");
	configure($node, 'falukeys.usage_flush_interval' => '50ms');
	wait_for_flush($node);
	is(flushed($node, $id), "$uses|0", 'once the lock is gone they are flushed');
	query($node, 'CHECKPOINT');
	$node->stop('immediate');
	$node->start;
	is(counted($node, $id), "$uses|0", 'and not counted again after a crash');
	return;
}

# A crash, by a way to it, may cost what was not flushed, and no more.
sub test_crash
{
	my ($name, $crash) = @_;

	verify_more(10);
	wait_for_flush($node);
	# Its commit takes all before it to the disk.
	query($node, 'CREATE TABLE crash (); DROP TABLE crash');
	my $flushed = $uses;
	my $pgbench = start_pgbench($node, "SELECT falukeys.key_allows('$key', NULL, NULL);\n", '-c', 2, '-t',
		5000, '-R', 1000);

	# In the midst of it
	$node->poll_query_until('postgres', "SELECT uses > $flushed + 200 FROM falukeys.key_usage WHERE key_id = '$id'")
		or die;
	$crash->();
	eval { $pgbench->{run}->finish };
	my ($processed) = slurp_file($pgbench->{output}) =~ /actually processed: (\d+)/;
	$uses = (split(/\|/, counted($node, $id)))[0];
	cmp_ok($uses, '>=', $flushed, "$name: what was flushed is there");
	# Each client may have had one more that it got no answer to.
	cmp_ok($uses, '<=', $flushed + $processed + 2, "$name: and nothing is counted twice");
	verify_more(5);
	wait_for_flush($node);
	is(flushed($node, $id), "$uses|0", "$name: after it, all is as it was");
	return;
}

sub kill_worker
{
	my ($pid) = split(/ /, worker_pids($node));
	my $offset = -s $node->logfile;

	kill('KILL', $pid) or die;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	$node->poll_query_until('postgres', 'SELECT true') or die;
	return;
}

# Databases

# With a key in each, verified in it
sub new_database
{
	my ($server, $database, $times) = @_;

	query($server, "CREATE DATABASE $database");
	query($server, 'CREATE EXTENSION falukeys', $database);
	return key_in($server, $database, $times);
}

sub key_in
{
	my ($server, $database, $times) = @_;
	my @new = new_key($server, new_workspace($server, $database, $database), '', $database);

	verify($server, $new[1], $times, $database);
	return @new;
}

sub test_databases
{
	my ($one, $one_key) = new_database($node, 'one', 3);
	my ($two, $two_key) = new_database($node, 'two', 4);

	query($node, 'CREATE DATABASE without');
	query($node, "LOAD 'falukeys'", 'without');
	wait_for_flush($node, $_) foreach ('one', 'two');
	is(flushed($node, $one, 'one') . ' ' . flushed($node, $two, 'two'), '3|0 4|0', 'two databases are flushed');
	wait_for_worker($node, $_) foreach ('one', 'two');
	is(query($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'falukeys usage %' "
		. "AND datname = 'without'"), 0, 'one without the extension has no worker');

	query($node, "SET lock_timeout = '5s'; BEGIN; SELECT falukeys.verify_key('$one_key'); DROP EXTENSION falukeys; "
		. "COMMIT; CREATE EXTENSION falukeys", 'one');
	($one, $one_key) = key_in($node, 'one', 2);
	wait_for_flush($node, 'one');
	is(flushed($node, $one, 'one'), '2|0', 'an extension dropped with counts pending, and created again, counts anew');

	# Counts of a key that is never committed stay, and no worker can flush them.
	my (undef, undef, $code) = attempt($node,
		"BEGIN; SELECT v.code FROM falukeys.create_key((SELECT min(id) FROM falukeys.workspaces), 'secret', 'test') "
		. "AS k, falukeys.verify_key(k.key) AS v; ROLLBACK", 'one');
	is($code, 'valid', 'a key is verified, and not committed');

	foreach my $case ([ 'two', 'CREATE DATABASE three TEMPLATE two' ], [ 'two', 'ALTER DATABASE two RENAME TO second' ],
		[ 'one', 'DROP DATABASE one' ])
	{
		my ($database, $statement) = @$case;

		verify($node, $database eq 'two' ? $two_key : $one_key, 1, $database);
		wait_for_worker($node, $database);
		is((attempt($node, $statement))[0], '00000', "$statement: a worker leaves");
	}
	verify($node, $two_key, 2, 'three');
	verify($node, $two_key, 3, 'second');
	wait_for_flush($node, $_) foreach ('three', 'second');
	is(flushed($node, $two, 'three') . ' ' . flushed($node, $two, 'second'), '7|0 9|0',
		'in the copy and in the renamed one counting goes on');
	is(query($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'falukeys usage worker' "
		. "AND datname IS NULL"), 0, 'no worker is left without a database');
	return;
}

sub test_settings
{
	my ($id, $key) = new_database($node, 'strict', 1);

	wait_for_flush($node, 'strict');
	query($node, "ALTER DATABASE strict SET $_")
		foreach ('default_transaction_read_only = on', 'default_transaction_isolation = serializable',
			'search_path = nowhere', "lock_timeout = '1ms'");
	wait_for_worker($node, 'strict');
	my $pids = worker_pids($node);
	query($node, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
		. "WHERE backend_type = 'falukeys usage worker' AND datname = 'strict'");
	verify($node, $key, 2, 'strict');
	wait_for_worker($node, 'strict');
	isnt(worker_pids($node), $pids, 'a new worker starts with the settings of its database');
	verify($node, $key, 3, 'strict');
	wait_for_flush($node, 'strict');
	is(flushed($node, $id, 'strict'), '6|0', 'and flushes whatever they are');
	return;
}

sub test_dump
{
	my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
	my $usage = 'SELECT * FROM falukeys.key_usage ORDER BY key_id';
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;

	query($node, 'CREATE DATABASE restored');
	system_or_bail('pg_dump', '-f', $dump, 'second');
	system_or_bail('psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-o', "$dump.output", '-f', $dump, 'restored');
	is(query($node, $usage, 'restored'), query($node, $usage, 'second'), 'a dump has what was flushed');
	return;
}

# Little memory, and few places for workers

sub test_crowd
{
	my $few = counting_server('few', "falukeys.max_tracked_keys = 32\nmax_worker_processes = 3\n");
	my $workspace = new_workspace($few, 'Crowd');

	query($few, "CREATE TABLE crowd AS SELECT n, k.key FROM generate_series(0, 1999) AS n, "
		. "falukeys.create_key('$workspace', 'secret', 'test', n::text) AS k; CREATE UNIQUE INDEX ON crowd (n)");
	# Each client goes through all of them, twice.
	finish_pgbench(start_pgbench($few, <<SQL, '-c', 4, '-t', 4000, '-D', 'n=0'), 16000);
\\set n :n + 1
\\set other (:client_id * 500 + :n * 7) % 2000
SELECT (falukeys.verify_key(key)).code FROM crowd WHERE n = :other;
SQL
	is(sum_of($few, 'usage'), 16000, 'with counters for 32 keys, 2000 are counted');
	wait_for_flush($few);
	is(query($few, 'SELECT uses, denials, count(*) FROM falukeys.key_usage GROUP BY 1, 2'), '8|0|2000',
		'and flushed, each exactly');
	ok(!$few->log_contains(qr/there is no room for a worker|for want of memory/),
		'one database has its worker, and nothing was lost');

	my @databases = map { "d$_" } (1 .. 4);
	my %new = map { $_ => [ new_database($few, $_, 1) ] } @databases;
	my %verified = map { $_ => 1 } @databases;
	my %waiting = %verified;
	for (my $round = 0; %waiting && $round < 300; $round++)
	{
		# All of them stay in use.
		foreach my $database (@databases)
		{
			verify($few, $new{$database}[1], 1, $database);
			$verified{$database}++;
			delete $waiting{$database} if flushed($few, $new{$database}[0], $database) ne '';
		}
	}
	is(join(' ', sort keys %waiting), '', 'more databases than places for workers: each is flushed');
	wait_for_flush($few, $_) foreach @databases;
	is(join(' ', map { flushed($few, $new{$_}[0], $_) } @databases),
		join(' ', map { "$verified{$_}|0" } @databases), 'and exactly');
	ok($few->log_contains(qr/there is no room for a worker/), 'they took turns');
	no_complaints($few, 'and no worker has complained');
	$few->stop;
	return;
}

test_ended();
$node->append_conf('postgresql.conf', "falukeys.usage_flush_interval = 1h\n");
$node->restart;
test_restart($_) foreach ('fast', 'smart');
test_kept();
test_crash('a worker is killed', \&kill_worker);
test_crash('an immediate shutdown', sub { $node->stop('immediate'); $node->start; });
test_databases();
test_settings();
test_dump();
no_complaints($node, 'no worker has complained of what befell it or its database');
$node->stop;
test_crowd();
done_testing();
