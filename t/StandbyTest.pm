# What the tests of standbys share: a link to a server that can be cut, silenced
# and slowed down, and a clock that can be set.
package StandbyTest;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(
  link_to link_conninfo cut_link mend_link silence_link resume_link slow_link hasten_link
  start_with_clock set_clock
);

my $directory = dirname(__FILE__);
my @links;

# A way to a server, as a directory with a socket
sub link_to
{
	my ($node) = @_;
	my $link = { directory => PostgreSQL::Test::Utils::tempdir_short(), node => $node };

	push @links, $link;
	mend_link($link);
	return $link;
}

sub link_conninfo
{
	my ($link, $name) = @_;

	return "host=$link->{directory} port=" . $link->{node}->port . " application_name=$name";
}

sub mend_link
{
	my ($link) = @_;
	my $name = '.s.PGSQL.' . $link->{node}->port;

	$link->{process} = IPC::Run::start([ $^X, "$directory/link", "$link->{directory}/$name",
		$link->{node}->host . "/$name", "$link->{directory}/rate" ]);
	$link->{group} = $link->{process}{KIDS}[0]{PID};
	for (1 .. 1000)
	{
		return if -S "$link->{directory}/$name";
		select(undef, undef, undef, 0.01);
	}
	die 'the link is not there';
}

# Whoever uses it is disconnected, and cannot connect anew.
sub cut_link
{
	my ($link) = @_;

	kill('KILL', -$link->{group}) or die;
	$link->{process}->finish;
	unlink("$link->{directory}/.s.PGSQL." . $link->{node}->port) or die;
	undef $link->{group};
	return;
}

# Whoever uses it hears nothing more.
sub silence_link { kill('STOP', -$_[0]{group}) or die; return; }
sub resume_link { kill('CONT', -$_[0]{group}) or die; return; }

sub slow_link
{
	my ($link, $bytes_a_second) = @_;

	append_to_file("$link->{directory}/rate", $bytes_a_second);
	return;
}

sub hasten_link { unlink("$_[0]{directory}/rate") or die; return; }

END
{
	foreach my $link (grep { $_->{group} } @links)
	{
		kill('KILL', -$link->{group});
	}
}

my $clock;

# Starts a server whose clock set_clock sets, by so many seconds.
sub start_with_clock
{
	my ($node) = @_;

	unless ($clock)
	{
		# What the library was built with
		chomp(my $cc = `'@{[ $ENV{PG_CONFIG} || 'pg_config' ]}' --cc`);

		$clock = PostgreSQL::Test::Utils::tempdir() . '/clock';
		append_to_file($clock, pack('q', 0));
		system_or_bail(split(' ', $cc), '-shared', '-fPIC', '-o', "$clock.so", "$directory/clock.c");
	}
	local $ENV{TEST_CLOCK} = $clock;
	local $ENV{LD_PRELOAD} = "$clock.so";
	$node->start;
	return;
}

sub set_clock
{
	my ($seconds) = @_;

	open(my $handle, '+<:raw', $clock) or die;
	print $handle pack('q', $seconds);
	close($handle) or die;
	return;
}

1;
