# Rotation of the master key in a server with several databases: whatever was
# sealed still opens in each of them, and old keys go when no database could
# need them any more.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $live_key = qr/^fskl_[0-9A-Za-z]{49}$/;
my $node = new_server('rotation', empty => 1, conf => "max_connections = 30\n");
my $file = $node->data_dir . '/falukeys.key';
my @databases = ('first', 'second', 'third');
my %workspace;
my %waiting;

sub lines_of
{
	my @lines = split(/\n/, slurp_file($file));

	return @lines;
}

sub seal_one
{
	my ($database) = @_;

	push @{ $waiting{$database} }, new_sealed($node, $workspace{$database}, 'live', $database);
	return;
}

# Reveals one of the live secrets that wait in each, and the test secrets.
sub all_opens
{
	my ($name, @in) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	foreach my $database (@in)
	{
		seal_one($database) if @{ $waiting{$database} } < 2;
		my $id = shift @{ $waiting{$database} };

		like(query($node, "SELECT falukeys.reveal_key('$id')", $database), $live_key,
			"$name: a live secret opens in $database");
		is( query($node, "SELECT count(*) FILTER (WHERE falukeys.reveal_key(id) IS NULL) FROM falukeys.keys "
			. "WHERE kind = 'secret' AND mode = 'test'", $database),
			0, "$name: test secrets open in $database");
	}
	return;
}

sub rotate
{
	my ($database) = @_;
	my ($sqlstate, $messages) = attempt($node, 'SELECT falukeys.rotate_master_key()', $database);

	is($sqlstate, '00000', "rotated in $database") or diag $messages;
	return $messages;
}

foreach my $database (@databases)
{
	query($node, "CREATE DATABASE $database");
	query($node, 'CREATE EXTENSION falukeys', $database);
	$workspace{$database} = new_workspace($node, $database, $database);
	seal_one($database) foreach 1 .. 12;
}
is(scalar(lines_of()), 1, 'one master key for all');

# One after the other, as doc/operations.md says

my ($old) = lines_of();
my $messages = rotate('first');
like($messages, qr/NOTICE.*old master keys are still needed.*"second", "third".*HINT.*rotate_master_key/s,
	'the first one names the others');
unlike($messages, qr/postgres|template/, 'and not those without the extension');
is((lines_of())[1], $old, 'the old key stays');
my ($new) = lines_of();
all_opens('one of three', @databases);
$messages = rotate('second');
like($messages, qr/no new master key is made.*needed.*: "third"/s, 'the second one follows, and names the third');
is(join(' ', lines_of()), "$new $old", 'under the same key');
all_opens('two of three', @databases);
unlike(rotate('third'), qr/still needed/, 'the last one names none');
is(join(' ', lines_of()), $new, 'and the old key is gone');
all_opens('three of three', @databases);

# In another order, with a crash, and with new secrets in between
my ($before) = lines_of();
rotate('third');
isnt((lines_of())[0], $before, 'another rotation, another key');
seal_one('first');
rotate('first');
$node->stop('immediate');
$node->start;
seal_one($_) foreach @databases;
rotate('second');
is(scalar(lines_of()), 1, 'one key is left');
all_opens('the other way round', @databases);

# Rolled back, nothing is lost, and another database does not rely on it.
rotate('first');
query($node, 'BEGIN; SELECT falukeys.rotate_master_key(); ROLLBACK;', 'second');
rotate('third');
is(scalar(lines_of()), 2, 'a rotation that was rolled back is not relied upon');
all_opens('rolled back', @databases);
rotate('second');
is(scalar(lines_of()), 1, 'until it is repeated');
all_opens('repeated', @databases);

# All at once, and again, and sealing all the while

foreach my $round (1 .. 3)
{
	my %sessions = map { $_ => session($node, $_) } @databases;

	foreach my $database (@databases, @databases)
	{
		seal_one($database);
		$sessions{$database}->query_until(qr/sent/, "\\echo sent\nSELECT falukeys.rotate_master_key();\n");
	}
	foreach my $database (@databases)
	{
		my ($sqlstate, $messages) = session_attempt($sessions{$database}, 'SELECT 1');

		unlike($messages, qr/ERROR/, "at once: rotated in $database");
		$sessions{$database}->quit;
	}
	all_opens("at once, round $round", @databases);
}
rotate($_) foreach @databases;
is(scalar(lines_of()), 1, 'and then one key is left');
all_opens('after all that', @databases);

# Two rotations at once: the second one waits, and reads the file after that.
my $slow = session($node, 'first');
session_attempt($slow, 'BEGIN; SELECT falukeys.rotate_master_key()');
my $next = session($node, 'second');
$next->query_until(qr/sent/, "\\echo sent\nSELECT falukeys.rotate_master_key();\n");
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND database = 0 AND NOT granted") or die;
pass('a rotation waits for one in another database');
session_attempt($slow, 'COMMIT');
session_attempt($next, 'SELECT 1');
$_->quit foreach ($slow, $next);
is(scalar(lines_of()), 2, 'and follows it');
rotate('third');
is(scalar(lines_of()), 1, 'the third one ends it');
all_opens('waited for', @databases);

# Databases that are copied, that are templates, or that no one may connect to

query($node, 'CREATE DATABASE copied TEMPLATE first');
query($node, 'CREATE DATABASE closed TEMPLATE second');
query($node, 'ALTER DATABASE closed ALLOW_CONNECTIONS false');
query($node, 'ALTER DATABASE third IS_TEMPLATE true');
$waiting{closed} = [ @{ $waiting{second} } ];
$workspace{closed} = $workspace{second};
($old) = lines_of();
rotate('first');
like(rotate('second'), qr/(?=.*"copied")(?=.*"closed")(?=.*"third")/s, 'all of them are named');
rotate('copied');
rotate('third');
is((lines_of())[1], $old, 'the old key stays for who cannot be rotated');
query($node, 'ALTER DATABASE closed ALLOW_CONNECTIONS true');
is(query($node, "SELECT count(*) FILTER (WHERE falukeys.reveal_key(id) IS NULL) FROM falukeys.keys "
	. "WHERE kind = 'secret' AND mode = 'test'", 'closed'),
	0, 'and opens its secrets');
rotate('closed');
is(scalar(lines_of()), 1, 'until it is rotated');
query($node, 'DROP DATABASE closed');
query($node, 'DROP DATABASE copied');
query($node, 'ALTER DATABASE third IS_TEMPLATE false');

# One that was never rotated, and one that is dropped
query($node, 'CREATE DATABASE fourth');
query($node, 'CREATE EXTENSION falukeys', 'fourth');
$workspace{fourth} = new_workspace($node, 'fourth', 'fourth');
query($node, 'UPDATE pg_database SET datallowconn = false WHERE datname = \'fourth\'');
rotate($_) foreach @databases;
is(scalar(lines_of()), 2, 'one that was never rotated may need the old key');
query($node, 'DROP DATABASE fourth');
rotate($_) foreach @databases;
is(scalar(lines_of()), 1, 'until it is dropped');

# What a restore brings under an old key is not forgotten.
($old) = lines_of();
query($node, "CREATE TABLE kept AS SELECT * FROM falukeys.sealed_secrets WHERE get_byte(seal, 1) = 1 LIMIT 1", 'third');
rotate($_) foreach @databases;
append_to_file($file, "$old\n");
query($node, 'ALTER TABLE falukeys.sealed_secrets DISABLE TRIGGER keep; DELETE '
	. 'FROM falukeys.sealed_secrets s USING kept k WHERE k.secret OPERATOR(falukeys.=) s.secret; '
	. 'ALTER TABLE falukeys.sealed_secrets ENABLE TRIGGER keep; INSERT INTO falukeys.sealed_secrets SELECT * FROM kept',
	'third');
rotate($_) foreach ('first', 'second');
ok((grep { $_ eq $old } lines_of()), 'its key stays');
rotate('third');
is(scalar(lines_of()), 1, 'until it is sealed anew');
all_opens('restored', @databases);

# A transaction that rewrote the table could undo it.
foreach my $rewrite (
	'CLUSTER falukeys.sealed_secrets USING sealed_secrets_pkey',
	'DROP EXTENSION falukeys; CREATE EXTENSION falukeys')
{
	refused($node, "BEGIN; $rewrite; SELECT falukeys.rotate_master_key(); ROLLBACK;", '55000', qr/made or rewrote/,
		"refused after $rewrite", 'first');
}
all_opens('rewritten', @databases);

# A full file

rotate('first') foreach 1 .. 62;
is(scalar(lines_of()), 63, 'rotations of one database only');
rotate('first');
is(scalar(lines_of()), 64, 'until the file is full');
refused($node, 'SELECT falukeys.rotate_master_key()', '55000',
	qr/is full.*DETAIL.*"second", "third".*HINT.*rotate_master_key/s,
	'a full one is refused, and what to do is said', 'first');
is(scalar(lines_of()), 64, 'no key is lost');
all_opens('full', @databases);
rotate($_) foreach ('second', 'third');
is(scalar(lines_of()), 1, 'it is emptied as it says');
all_opens('emptied', @databases);

# A full one that no database needs
append_to_file($file, join('', map { sprintf("%064x\n", $_) } 1 .. 63));
rotate('first');
is(scalar(lines_of()), 2, 'what no database needs makes room');
all_opens('room made', @databases);
rotate($_) foreach ('second', 'third');

# A command

my $elsewhere = PostgreSQL::Test::Utils::tempdir();
rename($file, "$elsewhere/keys") or die;
configure($node, 'falukeys.master_key_command' => "cat $elsewhere/keys");
($old) = split(/\n/, slurp_file("$elsewhere/keys"));
my $command_new = '89abcdef01234567' x 4;
open(my $keys, '>', "$elsewhere/keys") or die;
print $keys "$command_new\n$old\n";
close($keys);
foreach my $database ('second', 'third')
{
	like(rotate($database), qr/still needed.*"first"/s, "command: $database names the one that is left");
}
all_opens('command, two of three', @databases);
like(rotate('first'), qr/not needed any more.*HINT.*first one only/s, 'command: the last one says that it is');
open($keys, '>', "$elsewhere/keys") or die;
print $keys "$command_new\n";
close($keys);
all_opens('command', @databases);

$node->stop;
done_testing();
