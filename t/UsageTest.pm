# What the TAP tests of usage share: servers that count, keys, and what was
# counted of them.
package UsageTest;

use strict;
use warnings;

use Exporter 'import';
use FalukeysTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  counting_server new_key verify counted flushed sum_of pending wait_for_flush
  worker_pids wait_for_worker no_complaints start_pgbench finish_pgbench
);

# A server whose log says who writes a line: %b is the backend_type.
sub counting_server
{
	my ($name, $conf, %parameters) = @_;

	return new_server($name, %parameters, conf => <<CONF . $conf);
shared_preload_libraries = 'falukeys'
falukeys.usage_flush_interval = 50ms
log_line_prefix = '%b: '
restart_after_crash = on
CONF
}

# Id and text of a secret test key
sub new_key
{
	my ($node, $workspace, $more, $database) = @_;

	return split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test'" . ($more || '')
		. ')', $database));
}

sub verify
{
	my ($node, $key, $times, $database) = @_;

	query($node, "SELECT falukeys.verify_key('$key') FROM generate_series(1, $times)", $database);
	return;
}

# "uses|denials" of a key: up to now, as flushed, and not flushed
sub counted { return query($_[0], "SELECT uses, denials FROM falukeys.usage WHERE key_id = '$_[1]'", $_[2]); }
sub flushed { return query($_[0], "SELECT uses, denials FROM falukeys.key_usage WHERE key_id = '$_[1]'", $_[2]); }
sub pending { return query($_[0], "SELECT uses, denials FROM falukeys_internal.unflushed_usage('$_[1]')", $_[2]); }

# The uses of all keys in a view or table
sub sum_of { return query($_[0], "SELECT coalesce(sum(uses), 0) FROM falukeys.$_[1]", $_[2]); }

sub wait_for_flush
{
	my ($node, $database) = @_;

	return $node->poll_query_until($database || 'postgres',
		'SELECT coalesce(sum(m.uses + m.denials), 0) = 0 FROM falukeys.keys AS k, '
			. 'falukeys_internal.unflushed_usage(k.id) AS m') || die 'counts are not flushed';
}

sub worker_pids
{
	my ($node) = @_;

	return query($node, "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity "
		. "WHERE backend_type = 'falukeys usage worker'");
}

sub wait_for_worker
{
	my ($node, $database) = @_;

	return $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'falukeys usage worker' "
			. "AND datname = '$database'") || die "no worker for $database";
}

# Launcher and workers complain of nothing but of being cancelled.
sub no_complaints
{
	my ($node, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @lines = grep { !/canceling statement due to user request/ } split(/\n/, slurp_file($node->logfile));

	return is(join("\n", grep { /^falukeys usage [^:]*: +(?:WARNING|ERROR|FATAL|PANIC):/ } @lines), '', $name);
}

# Starts pgbench with a script.
sub start_pgbench
{
	my ($node, $script, @options) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my %pgbench = (output => "$directory/output");

	append_to_file("$directory/script", $script);
	$pgbench{run} = IPC::Run::start(
		[ 'pgbench', '-n', '-M', 'prepared', '-f', "$directory/script", '-h', $node->host, '-p', $node->port,
			@options, 'postgres' ],
		'<', \undef, '>', $pgbench{output}, '2>&1');
	return \%pgbench;
}

sub finish_pgbench
{
	my ($pgbench, $transactions) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$pgbench->{run}->finish;
	return like(slurp_file($pgbench->{output}), qr/actually processed: $transactions\/$transactions\b/,
		"pgbench ran $transactions transactions");
}

1;
