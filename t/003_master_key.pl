# The master key, outside the database: where it comes from, what is said when
# it is not as it must be, and its rotation.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $live_key = qr/^fskl_[0-9A-Za-z]{49}$/;
my $node = new_server('master_key');
my $data = $node->data_dir;
my $file = "$data/falukeys.key";

sub write_file
{
	my ($path, $content, $mode) = @_;

	unlink $path;
	open(my $handle, '>', $path) or die "could not write $path: $!";
	print $handle $content;
	close($handle);
	chmod(defined $mode ? $mode : 0600, $path) or die;
	return;
}

sub mode_of { return sprintf('%04o', (stat($_[0]))[2] & 07777); }

# Made at first need

ok(!-e $file, 'there is no master key before one is needed');
query($node, "SELECT falukeys.define_permission('messages')");
query($node, "SELECT count(*) FROM falukeys.verify_key('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys')");
ok(!-e $file, 'verification needs none');

# Several sessions need it at once.
my $gate = session($node);
session_attempt($gate, 'SELECT pg_advisory_lock(1)');
my @makers = map { session($node) } 1 .. 6;
foreach my $maker (@makers)
{
	$maker->query_until(qr/waiting/, "\\echo waiting\n"
		  . "SELECT pg_advisory_lock_shared(1); SELECT falukeys.create_workspace('First of several');\n");
}
$node->poll_query_until('postgres',
	"SELECT count(*) = 6 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") or die;
session_attempt($gate, 'SELECT pg_advisory_unlock(1)');
$_->quit foreach @makers;
$gate->quit;

ok(-f $file, 'made at first need');
is(mode_of($file), '0600', 'mode 0600');
like(slurp_file($file), qr/^[0-9a-f]{64}\n$/, '64 hexadecimal digits');
is(join(' ', glob("$file*")), $file, 'and nothing beside it');
is( query($node, "SELECT count(*) FILTER (WHERE falukeys.reveal_key(id) ~ '^fskt_[0-9A-Za-z]{49}\$') "
	. "FROM falukeys.keys "
	. "WHERE kind = 'secret'"),
	6, 'six workspaces at once: every secret opens');

my $workspace = new_workspace($node, 'Master key');
my ($test_id, $test_key) = split(/\|/,
	query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')"));
my ($valid_id, $valid_key) = split(/\|/,
	query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')"));
my ($rolled_id, $rolled_key) = split(/\|/,
	query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')"));
query($node, "SELECT falukeys.roll_key('$rolled_id')");
my $live_id = new_sealed($node, $workspace, 'live');
my $good = slurp_file($file);

# What needs the master key is refused and names what is wrong; the rest goes on.
sub is_broken
{
	my ($name, $pattern, $nothing_made) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	refused($node, "SELECT falukeys.reveal_key('$live_id')", '55000', $pattern, "$name: a live reveal is refused");
	refused($node, "SELECT falukeys.reveal_key('$test_id')", '55000', $pattern, "$name: a test reveal is refused");
	refused($node, "SELECT falukeys.create_workspace('$name')", '55000', $pattern, "$name: so is sealing");
	refused($node, 'SELECT falukeys.adopt_sealed_secrets()', '55000', $pattern, "$name: and adopting");
	unbothered($name);
	return;
}

sub unbothered
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is_code($node, $valid_key, 'valid', "$name: verification goes on");
	is_code($node, $rolled_key, 'rolled', "$name: also of what is refused");
	like(query($node, "SELECT key FROM falukeys.create_key('$workspace', 'secret', 'live')"), $live_key,
		"$name: a live secret shown at once needs no master key");
	is(query($node, "SELECT revealed_at IS NULL FROM falukeys.dashboard WHERE key_id = '$live_id'"), 't',
		"$name: no reveal is used up");
	return;
}

# Missing

unlink $file;
is_broken('missing', qr/master key file "[^"]*falukeys\.key" does not exist/);
refused($node, 'SELECT falukeys.rotate_master_key()', '55000', qr/does not exist/, 'missing: no rotation');
ok(!-e $file, 'missing: none is made while something is sealed');

# Wrong content

foreach my $case (
	[ 'empty', '' ],
	[ 'only blanks', " \n\n" ],
	[ 'garbage', "this is not a master key\n" ],
	[ 'too short', substr($good, 0, 63) . "\n" ],
	[ 'too long', substr($good, 0, 64) . "0\n" ],
	[ 'a good one, then garbage', "${good}garbage\n" ],
	[ 'binary', "\0\x01\xff" x 22 ],
	[ 'sixty-five of them', $good x 65 ],
	[ 'a megabyte', 'a' x 1048576 ])
{
	my ($name, $content) = @$case;

	write_file($file, $content);
	is_broken($name, qr/master key file "[^"]*falukeys\.key" does not hold a master key.*HINT:.*64/s);
	refused($node, 'SELECT falukeys.rotate_master_key()', '55000', qr/does not hold/, "$name: no rotation");
	is(slurp_file($file), $content, "$name: the file is as it was");
}

# Another key: sealing works, but what was sealed before does not open.

write_file($file, ('0123456789abcdef' x 4) . "\n");
foreach my $id ($live_id, $test_id)
{
	refused($node, "SELECT falukeys.reveal_key('$id')", '55000', qr/sealed under another master key/,
		'another key: refused');
}
unbothered('another key');
my $under_other = new_sealed($node, $workspace, 'live');

# Both: the second one still opens.
write_file($file, ('0123456789abcdef' x 4) . "\n$good");
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'a second line still opens');
is_code($node, query($node, "SELECT falukeys.reveal_key('$under_other')"), 'valid', 'and so does the first');
write_file($file, uc($good));
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'upper-case digits are digits');

# Access

write_file($file, $good, 0000);
is_broken('unreadable', qr/could not open master key file "[^"]*falukeys\.key": Permission denied/);
foreach my $mode (0604, 0640, 0644, 0660, 0620, 0602, 0601)
{
	my $name = sprintf('mode %04o', $mode);

	write_file($file, $good, $mode);
	is_broken($name, qr/master key file "[^"]*falukeys\.key" has group or world access.*HINT:.*0600/s);
}
unlink $file;
mkdir $file or die;
is_broken('a directory', qr/falukeys\.key.*(not a regular file|directory)/);
rmdir $file or die;
write_file($file, $good, 0400);
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'mode 0400 is fine');

# Somewhere else, and a command

write_file($file, $good);
my $elsewhere = PostgreSQL::Test::Utils::tempdir();
configure($node, 'falukeys.master_key_file' => "$elsewhere/another");
is_broken('a file elsewhere', qr/master key file "\Q$elsewhere\E\/another" does not exist/);
rename($file, "$elsewhere/another") or die;
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'the file may be anywhere');

configure($node, 'falukeys.master_key_file' => 'no/such/directory');
is_broken('a directory that is missing', qr/no\/such\/directory/);

foreach my $case (
	[ 'exit 3', 'failing', qr/command.*failed.*exit code 3/s ],
	[ 'kill -9 $$', 'killed', qr/command.*failed.*signal 9/s ],
	[ "cat $elsewhere/another; exit 1", 'printing it and failing', qr/command.*failed.*exit code 1/s ],
	[ '/no/such/program', 'of no program', qr/command.*failed.*(not found|exit code 127)/s ],
	[ 'echo garbage', 'printing garbage', qr/command.*did not print a master key.*HINT:.*64/s ],
	[ 'true', 'printing nothing', qr/command.*did not print a master key/ ],
	[ 'yes', 'that does not end', qr/command/ ])
{
	my ($command, $name, $pattern) = @$case;

	configure($node, 'falukeys.master_key_command' => $command);
	is_broken("a command $name", $pattern);
}
configure($node, 'falukeys.master_key_command' => "cat $elsewhere/another");
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'a command that prints it');
is_code($node, query($node, "SELECT falukeys.reveal_key('$live_id')"), 'valid',
	'and the live secret was not used up by all that');

# Rotation where a command gives the keys: it is the command that changes.

my $new = ('fedcba9876543210' x 4) . "\n";
$live_id = new_sealed($node, $workspace, 'live');
my $closed = query($node, "SELECT count(*) FROM falukeys.sealed_secrets WHERE get_byte(seal, 1) = 1");
write_file("$elsewhere/another", $new . $good);
is(query($node, 'SELECT falukeys.rotate_master_key()'), $closed, 'rotation by a command seals everything anew');
write_file("$elsewhere/another", $new);
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'after which the new key is enough');
is_code($node, query($node, "SELECT falukeys.reveal_key('$live_id')"), 'valid', 'for live secrets too');

# Rotation of the file

rename("$elsewhere/another", $file) or die;
configure($node, 'falukeys.master_key_command' => '', 'falukeys.master_key_file' => 'falukeys.key');
my @waiting = map { new_sealed($node, $workspace, 'live') } 1 .. 5;
my $spent = $waiting[0];
query($node, "SELECT falukeys.reveal_key('$spent')");
query($node, 'CREATE TABLE before AS SELECT secret, seal FROM falukeys.sealed_secrets WHERE get_byte(seal, 1) = 1');
$closed = query($node, "SELECT count(*) FROM falukeys.sealed_secrets WHERE get_byte(seal, 1) = 1");

is(query($node, 'BEGIN; SELECT falukeys.rotate_master_key(); ROLLBACK;'), $closed,
	'a rotation says how many it sealed anew');
unlike(slurp_file($file), qr/^\Q$new\E/, 'the first key is another one');
is(mode_of($file), '0600', 'mode 0600');
is(join(' ', glob("$file*")), $file, 'nothing beside it');
is( query($node, 'SELECT count(*) FROM before b JOIN falukeys.sealed_secrets s '
	. 'ON s.secret OPERATOR(falukeys.=) b.secret WHERE s.seal = b.seal'),
	0, 'ROLLBACK does not undo it: no seal is as it was');
write_file($file, (split(/^/, slurp_file($file)))[0]);
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'test secrets open under the new key alone');
is_code($node, query($node, "SELECT falukeys.reveal_key('$waiting[1]')"), 'valid', 'live secrets too');
refused($node, "SELECT falukeys.reveal_key('$waiting[1]')", '55000', qr/has been revealed/, 'once');
refused($node, "SELECT falukeys.reveal_key('$spent')", '55000', qr/has been revealed/, 'a spent one stays spent');
$live_id = $waiting[2];
unbothered('after a rotation');

# A crash right after it
query($node, 'SELECT falukeys.rotate_master_key()');
$node->stop('immediate');
$node->start;
is_code($node, query($node, "SELECT falukeys.reveal_key('$waiting[2]')"), 'valid', 'a rotation outlasts a crash');
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'for test secrets too');

# A crash in the middle of it leaves both keys, whichever a seal is under.
my $current = (split(/^/, slurp_file($file)))[0];
write_file($file, ('00112233' x 8) . "\n" . slurp_file($file));
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'an unfinished rotation: old seals open');
my $between = new_sealed($node, $workspace, 'live');
query($node, 'SELECT falukeys.rotate_master_key()');
write_file($file, (split(/^/, slurp_file($file)))[0]);
is_code($node, query($node, "SELECT falukeys.reveal_key('$_')"), 'valid', 'the next rotation finishes it')
  foreach ($waiting[3], $between);

# Another database on the same server uses the same file.
query($node, 'CREATE DATABASE neighbour');
query($node, 'CREATE EXTENSION falukeys', 'neighbour');
my $next_door = new_workspace($node, 'Next door', 'neighbour');
my $next_door_id = new_sealed($node, $next_door, 'live', 'neighbour');
query($node, 'SELECT falukeys.rotate_master_key()');
query($node, 'SELECT falukeys.rotate_master_key()');
like(query($node, "SELECT falukeys.reveal_key('$next_door_id')", 'neighbour'), $live_key,
	'a rotation here does not lose what is sealed in another database');
query($node, 'SELECT falukeys.rotate_master_key()') foreach 1 .. 12;
is( query($node, "SELECT count(*) FILTER (WHERE falukeys.reveal_key(id) ~ '^fskt_') FROM falukeys.keys "
	. "WHERE kind = 'secret' AND mode = 'test'", 'neighbour'),
	1, 'nor do many rotations');
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'and here everything opens');

# Nor does another database make a new file where this one's is lost.
query($node, 'CREATE DATABASE fresh');
query($node, 'CREATE EXTENSION falukeys', 'fresh');
rename($file, "$elsewhere/lost") or die;
refused($node, "SELECT falukeys.create_workspace('Fresh')", '55000', qr/does not exist/,
	'a file that other databases need is not made anew', 'fresh');
ok(!-e $file, 'and is not there');
rename("$elsewhere/lost", $file) or die;
isnt(new_workspace($node, 'Fresh', 'fresh'), '', 'put back, it serves all');
is(query($node, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'and everything opens');

# None of it is in the log.
my $log = slurp_file($node->logfile);
unlike($log, qr/\Q$_\E/, 'no master key is in the log')
  foreach (substr($good, 0, 64), substr($new, 0, 64), substr(slurp_file($file), 0, 64));

$node->stop;
done_testing();
