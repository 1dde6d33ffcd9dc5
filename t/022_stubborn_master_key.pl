# A master key that does not come, or cannot be written: who waits for it can be
# cancelled and terminated, and no part of it is left anywhere.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_server('stubborn', conf => "max_connections = 20\n");
my $workspace = new_workspace($node, 'Stubborn');
my $id = new_sealed($node, $workspace, 'live');
my $test_id = new_sealed($node, $workspace, 'test');
my $file = $node->data_dir . '/falukeys.key';
my $kept = slurp_file($file);
my $directory = PostgreSQL::Test::Utils::tempdir();

sub write_file
{
	my ($path, $content) = @_;

	unlink $path;
	open(my $handle, '>', $path) or die "could not write $path: $!";
	print $handle $content;
	close($handle);
	chmod(0600, $path) or die;
	return;
}

sub beside { return join(' ', sort grep { $_ ne $file } glob("$file*")); }

# What is no file is refused at once.

foreach my $case (
	[ 'a FIFO', sub { mkfifo($file, 0600) } ],
	[ 'a device', sub { symlink('/dev/zero', $file) } ],
	[ 'a symbolic link to a FIFO', sub { mkfifo("$directory/fifo", 0600) && symlink("$directory/fifo", $file) } ])
{
	my ($name, $make) = @$case;

	unlink $file;
	$make->() or die;
	refused($node, "SELECT falukeys.reveal_key('$_')", '55000', qr/not a regular file/, "$name is refused")
		foreach ($id, $test_id);
	refused($node, 'SELECT falukeys.rotate_master_key()', '55000', qr/not a regular file/, "$name: no rotation");
}
write_file($file, $kept);

# Commands that ignore signals, and do not end. Each says first who it is.

sub pid_of
{
	my ($path) = @_;

	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return $1 if -s $path && slurp_file($path) =~ /^(\d+)\n/;
		sleep(0.1);
	}
	die 'the command did not start';
}

# Zombies are reaped by who started them, others by init.
sub is_gone
{
	my ($pid, $name) = @_;
	my $gone = 0;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$gone = !kill(0, $pid) || (-r "/proc/$pid/stat" && slurp_file("/proc/$pid/stat") =~ /\) Z /);
		last if $gone;
		sleep(0.1);
	}
	return ok($gone, $name);
}

my %command = (
	'one that ignores signals' => "trap \"\" INT TERM HUP; echo \$\$ > $directory/pid; while :; do sleep 1; done",
	'one that prints a key and goes on' => "trap \"\" INT TERM HUP; echo \$\$ > $directory/pid; cat $directory/key; "
		. "while :; do sleep 1; done",
	'one that closes its output and goes on' => "trap \"\" INT TERM HUP; echo \$\$ > $directory/pid; "
		. "cat $directory/key; exec >&-; while :; do sleep 1; done",
	'one whose child ignores signals' => "sh -c \"trap \\\"\\\" INT TERM HUP; echo \\\$\\\$ > $directory/pid; while :; "
		. "do sleep 1; done\"; true");
write_file("$directory/key", $kept);

foreach my $name (sort keys %command)
{
	my $command = "$directory/command";

	write_file($command, $command{$name});
	configure($node, 'falukeys.master_key_command' => "/bin/sh $command");

	unlink "$directory/pid";
	refused($node, "SET statement_timeout = '500ms'; SELECT falukeys.reveal_key('$id')", '57014', qr/statement timeout/,
		"$name: a timeout");
	is_gone(pid_of("$directory/pid"), "$name: and it is gone");

	foreach my $how ('pg_cancel_backend', 'pg_terminate_backend')
	{
		unlink "$directory/pid";
		my $session = session($node);
		my $backend = $session->query_safe('SELECT pg_backend_pid()');
		$session->query_until(qr/sent/, "\\echo sent\nSELECT falukeys.rotate_master_key();\n");
		my $child = pid_of("$directory/pid");
		query($node, "SELECT $how($backend)");
		is_gone($child, "$name: it is gone after $how");
		$node->poll_query_until('postgres',
			"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $backend AND state = 'active'") or die;
		pass("$name: and so is the statement");
		$session->{run}->kill_kill;
	}
}

# A fast shutdown waits for none of them.
unlink "$directory/pid";
write_file("$directory/command", $command{'one that ignores signals'});
my $session = session($node);
$session->query_until(qr/sent/, "\\echo sent\nSELECT falukeys.reveal_key('$id');\n");
my $child = pid_of("$directory/pid");
$node->stop('fast');
is_gone($child, 'a fast shutdown ends it');
$session->{run}->kill_kill;
$node->append_conf('postgresql.conf', "falukeys.master_key_command = ''\n");
$node->start;

# No attempt was a reveal.
is_code($node, query($node, "SELECT falukeys.reveal_key('$id')"), 'valid',
	'the live secret was not used up by all that');

# Where it cannot be written, nothing is left of it.

is(beside(), '', 'there is nothing beside the file');
my $rotating = session($node);
my $backend = $rotating->query_safe('SELECT pg_backend_pid()');
$rotating->query_safe('SELECT count(*) FROM falukeys.keys');
my $limited = new_sealed($node, $workspace, 'live');
query($node, 'CHECKPOINT');
$kept = slurp_file($file);
system_or_bail('prlimit', '--pid', $backend, '--fsize=100:unlimited');
session_refused($rotating, 'SELECT falukeys.rotate_master_key()', '55000',
	qr/could not write master key file.*No space left|could not write master key file.*File too large/,
	'a file that cannot be written in full');
system_or_bail('prlimit', '--pid', $backend, '--fsize=unlimited:unlimited');
is(slurp_file($file), $kept, 'leaves the old one');
is(beside(), '', 'and no part of itself');
$rotating->quit;

chmod(0500, $node->data_dir) or die;
refused($node, 'SELECT falukeys.rotate_master_key()', '55000', qr/could not write master key file.*Permission denied/,
	'a directory that cannot be written');
chmod(0700, $node->data_dir) or die;
is(slurp_file($file), $kept, 'leaves the old file, too');
is_code($node, query($node, "SELECT falukeys.reveal_key('$limited')"), 'valid', 'and what is sealed opens');

# What a session that was killed left is removed by the next one that writes.

my $dead = fork() // die;
POSIX::_exit(0) if $dead == 0;
waitpid($dead, 0);
write_file("$file.new.$dead", $kept);
write_file("$file.new.$$", 'of a process that lives');
write_file("$file.20240131", 'a copy that someone made');
write_file("$file.new", 'another one');
query($node, 'SELECT falukeys.rotate_master_key()');
is(beside(), join(' ', sort "$file.new.$$", "$file.20240131", "$file.new"),
	'what was left is removed, and nothing else');
unlink("$file.new.$$", "$file.20240131", "$file.new");
write_file("$file.new.$dead", $kept);
query($node, 'CREATE DATABASE fresh');
query($node, 'CREATE EXTENSION falukeys', 'fresh');
# With all that was sealed, so that nothing needs the old one
query($node, 'DROP EXTENSION falukeys');
unlink $file;
new_workspace($node, 'Fresh', 'fresh');
is(beside(), '', 'also by who makes the first one');

$node->stop;
done_testing();
