# Whatever keeps a standby from what its primary commits makes it stale, and
# nothing else does: direct, synchronous and cascaded standbys, each with and
# without preloading, on a primary that preloads the library, and on one where a
# job commits.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StandbyTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $primary = new_server('primary', init => { allows_streaming => 1 }, conf => <<CONF);
falukeys.max_standby_lag = 1s
wal_keep_size = 1GB
CONF
my $workspace = new_workspace($primary, 'Standbys');
our $key = query($primary, "SELECT key FROM falukeys.create_key('$workspace', 'secret', 'test')");
$primary->backup('base');

my $link = link_to($primary);
my ($cascade, %standby);
foreach my $kind ('direct', 'synchronous', 'cascaded')
{
	foreach my $preloading ('with', 'without')
	{
		my $name = "${kind}_$preloading";
		my $node = $standby{$name} = PostgreSQL::Test::Cluster->new($name);
		my $conninfo = link_conninfo($kind eq 'cascaded' ? $cascade : $link, $name);
		my $library = $preloading eq 'with' ? 'falukeys' : '';
		# Often asks the server in between, which answers for itself only.
		my $timeout = $kind eq 'cascaded' ? '1s' : '1min';

		$node->init_from_backup($primary, 'base', has_streaming => 1);
		$node->append_conf('postgresql.conf', <<CONF);
primary_conninfo = '$conninfo'
shared_preload_libraries = '$library'
wal_retrieve_retry_interval = 100ms
wal_receiver_timeout = $timeout
CONF
		$node->start;
		$cascade ||= link_to($node);
	}
}
my @all = sort keys %standby;
my @cascaded = grep { /cascaded/ } @all;
my @near = grep { !/cascaded/ } @all;
# These are stopped in between; the others stream from the primary meanwhile.
my @stopped = grep { /without/ } @all;
my $patience = $PostgreSQL::Test::Utils::timeout_default;
# What each round says of the primary
my $round;

# Those that waited for have come to it, one after the other; each is a test.
sub become
{
	my ($expected, $what, @names) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %code = map { $_ => '' } @names;

	for (my $start = time; time < $start + $patience; sleep 0.05)
	{
		my @missing = grep { $code{$_} ne $expected } @names or last;

		$code{$_} = query($standby{$_}, "SELECT code FROM falukeys.verify_key('$key')") foreach @missing;
	}
	is($code{$_}, $expected, "$round, $_: $what: $expected") foreach @names;
	return;
}

sub become_stale { return become('stale_standby', @_); }
sub become_valid { return become('valid', @_); }

# All that they say of a key for some time
sub codes
{
	my ($seconds, @names) = @_;
	my %codes;

	for (my $start = time; time < $start + $seconds; sleep 0.05)
	{
		$codes{$_}{ query($standby{$_}, "SELECT code FROM falukeys.verify_key('$key')") } = 1 foreach @names;
	}
	return map { $_ => join(' ', sort keys %{ $codes{$_} }) } @names;
}

sub limit
{
	my ($limit) = @_;

	foreach my $node (values %standby)
	{
		$node->append_conf('postgresql.conf', "falukeys.max_standby_lag = $limit\n");
		$node->reload;
	}
	$_->poll_query_until('postgres', "SELECT current_setting('falukeys.max_standby_lag') = '$limit'") or die
	  foreach values %standby;
	return;
}

# A commit of nothing, SELECT pg_current_xact_id(), does too, but as long as the
# primary's clock is behind where it was, the server leaves it unflushed.
my $job;
my $job_file = PostgreSQL::Test::Utils::tempdir() . '/job.sql';
append_to_file($job_file, "SET synchronous_commit = local;\n"
	. "SELECT pg_logical_emit_message(true, 'falukeys', '') \\watch 0.2\n");

sub start_job
{
	$job = IPC::Run::start([ 'psql', '-XqAt', '-d', $primary->connstr('postgres'), '-f', $job_file ],
		'<', \undef, '>', '/dev/null', '2>', '/dev/null');
	return;
}

sub stop_job
{
	$job->kill_kill;
	undef $job;
	return;
}

sub stop_primary
{
	stop_job() if $job;
	$primary->stop('immediate');
	return;
}

sub start_primary
{
	start_with_clock($primary);
	start_job() if $round =~ /job/;
	return;
}

sub restart
{
	foreach my $node (map { $standby{$_} } @_)
	{
		$node->restart;
	}
	return;
}

# None while all is well: for longer than the limit, which is large since a
# machine under load may be late.
sub test_idle
{
	limit('6s');
	become_valid('all is well', @all);
	my %codes = codes(8, @all);
	is($codes{$_}, 'valid', "$round, $_: and stays so") foreach @all;
	limit('1s');
	return;
}

sub test_replay
{
	query($standby{$_}, 'SELECT pg_wal_replay_pause()') foreach @all;
	become_stale('replay is paused', @all);
	query($standby{$_}, 'SELECT pg_wal_replay_resume()') foreach @cascaded;
	become_valid('replay goes on, but not where it streams from', @cascaded);
	become_stale('replay is still paused', @near);
	query($standby{$_}, 'SELECT pg_wal_replay_resume()') foreach @near;
	become_valid('replay goes on', @all);
	return;
}

sub test_links
{
	silence_link($link);
	become_stale('the primary is not heard of', @all);
	my %codes = codes(1.5, @all);
	is($codes{$_}, 'stale_standby', "$round, $_: and stays so: stale_standby") foreach @all;
	resume_link($link);
	become_valid('it is again', @all);

	cut_link($link);
	become_stale('there is no way to the primary', @all);
	mend_link($link);
	become_valid('there is again', @all);

	cut_link($cascade);
	become_stale('there is no way to the server in between', @cascaded);
	become_valid('that one has its own', 'direct_with');
	mend_link($cascade);
	become_valid('there is again', @cascaded);
	return;
}

# What waited in buffers is not new when the receiver goes on.
sub test_receiver
{
	my @receivers = map { query($standby{$_}, 'SELECT pid FROM pg_stat_wal_receiver') } @all;

	kill('STOP', @receivers) == @all or die;
	become_stale('the receiver stands still', @all);
	# For heartbeats to gather, and to become old
	sleep 1;
	silence_link($link);
	sleep 1.2;
	kill('CONT', @receivers) == @all or die;
	my %codes = codes(1, @all);
	is($codes{$_}, 'stale_standby', "$round, $_: the receiver goes on with what has waited: stale_standby")
	  foreach @all;
	resume_link($link);
	become_valid('the receiver has caught up', @all);
	return;
}

sub test_primary
{
	stop_primary();
	become_stale('the primary is gone', @all);
	restart(@stopped);
	become_stale('the primary is gone, and the standby has been restarted', @stopped);
	start_primary();
	become_valid('the primary is back', @all);
	restart(@stopped);
	become_valid('restarted', @stopped);
	return;
}

# Nothing that has been taken away meanwhile is allowed once more.
sub test_catching_up
{
	my ($revoked, $text) = split(/\|/,
		query($primary, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')"));
	my (%last, %seen);

	{
		local $key = $text;
		become_valid('a new key', @stopped);
	}
	$standby{$_}->stop foreach @stopped;
	query($primary, "SELECT count(pg_logical_emit_message(false, 'much', repeat('x', 1000000))) "
		. 'FROM generate_series(1, 50)');
	query($primary, "SET synchronous_commit = local; SELECT falukeys.revoke_key('$revoked')");
	# For all before that to become old
	sleep 1.2;
	slow_link($_, 20_000_000) foreach ($link, $cascade);
	$standby{$_}->start foreach @stopped;
	for (my $start = time; time < $start + $patience; sleep 0.02)
	{
		my @behind = grep { ($last{$_} || '') ne 'revoked' } @stopped or last;

		foreach (@behind)
		{
			$last{$_} = query($standby{$_}, "SELECT code FROM falukeys.verify_key('$text')");
			$seen{$_}{ $last{$_} } = 1;
		}
	}
	hasten_link($_) foreach ($link, $cascade);
	is(join(' ', sort keys %{ $seen{$_} }), 'revoked stale_standby',
		"$round, $_: catching up, until it has the revocation: stale_standby")
	  foreach @stopped;
	become_valid('it has caught up', @all);
	return;
}

sub test_clocks
{
	foreach my $case ([ 3600, 'ahead' ], [ -3600, 'behind' ])
	{
		my ($seconds, $where) = @$case;

		set_clock($seconds);
		become_stale("the primary's clock is an hour $where", @all);
		set_clock(0);
		become_valid('it is set right', @all);
	}
	return;
}

# The servers in between and their own standbys go on without the primary.
sub test_promotion
{
	stop_primary();
	become_stale('the primary is gone', @all);
	$standby{direct_with}->promote;
	become_valid('promoted', 'direct_with');
	become_valid('the server in between is promoted, and sends heartbeats', @cascaded);
	$standby{direct_without}->promote;
	become_valid('promoted', 'direct_without');
	become_stale('the primary is gone, and another one was promoted', grep { /synchronous/ } @all);
	$standby{direct_with}->stop;
	become_stale('the promoted server is gone', @cascaded);
	return;
}

sub play_round
{
	my $library;

	($round, $library) = @_;
	stop_job() if $job;
	$primary->stop;
	$primary->append_conf('postgresql.conf', "shared_preload_libraries = '$library'\n");
	start_primary();
	test_idle();
	test_replay();
	test_links();
	test_receiver();
	test_primary();
	test_catching_up();
	test_clocks();
	return;
}

$primary->append_conf('postgresql.conf',
	"synchronous_standby_names = 'FIRST 2 (synchronous_with, synchronous_without)'\n");
play_round('with heartbeats', 'falukeys');
play_round('with a job', '');
stop_job();
become_stale('the job has ended, and nothing commits', @all);
start_job();
become_valid('it has begun again', @all);
test_promotion();

$standby{$_}->stop foreach grep { $_ ne 'direct_with' } @all;
done_testing();
