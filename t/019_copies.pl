# A live secret is bound to the database in which it was sealed, as it is now:
# neither a restore over itself nor a copy under the old OID opens it again. A
# promoted standby does.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $live_key = qr/^fskl_[0-9A-Za-z]{49}$/;
my $node = new_server('copies', empty => 1, init => { allows_streaming => 1 });
my $directory = PostgreSQL::Test::Utils::tempdir();

sub run_for
{
	my (@command) = @_;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	command_ok([@command], join(' ', map { s/\Q$directory\E\///r } @command));
	return;
}

sub oid_of { return query($node, "SELECT oid FROM pg_database WHERE datname = '$_[0]'"); }

sub notes {
	return query($node, "SELECT count(*) FROM pg_shdepend WHERE deptype NOT IN ('o', 'a', 'r', 't')" . ($_[0] || ''));
}

sub stays_closed
{
	my ($database, $id, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return refused($node, "SELECT falukeys.reveal_key('$id')", '55000',
		qr/another database.*restored or replaced.*HINT:.*Roll the key.*adopt_sealed_secrets/s, $name, $database);
}

sub opens
{
	my ($database, $id, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $key = query($node, "SELECT falukeys.reveal_key('$id')", $database);

	like($key, $live_key, $name);
	return $key;
}

is(notes(), 0, 'a server without the extension has no tokens');
query($node, 'CREATE DATABASE origin');
query($node, 'CREATE EXTENSION falukeys', 'origin');
is(notes(), 4, 'CREATE EXTENSION makes one');
my $workspace = new_workspace($node, 'Origin', 'origin');
my ($revealed, $unrevealed) = map { new_sealed($node, $workspace, 'live', 'origin') } 1 .. 2;
my $test = new_sealed($node, $workspace, 'test', 'origin');
my $test_key = query($node, "SELECT falukeys.reveal_key('$test')", 'origin');

# A restore over itself, in all ways in which it can be done

my $nothing_adopted = query($node, 'SELECT falukeys.adopt_sealed_secrets()', 'origin');
is($nothing_adopted, 0, 'what was sealed here needs no adoption');
run_for('pg_dump', '-Fc', '-f', "$directory/dump", 'origin');
my $key = opens('origin', $revealed, 'revealed after the dump');
foreach my $options ([], ['-1'])
{
	run_for('pg_restore', '-e', '--clean', '--if-exists', @$options, '-d', 'origin', "$directory/dump");
	stays_closed('origin', $revealed, "@$options: what was revealed before does not open again");
	stays_closed('origin', $unrevealed, "@$options: nor does anything else");
	is(query($node, "SELECT falukeys.reveal_key('$test')", 'origin'), $test_key, "@$options: but for test secrets");
}
run_for('pg_dump', '-c', '--if-exists', '-f', "$directory/plain", 'origin');
run_for('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', 'origin', '-f', "$directory/plain");
stays_closed('origin', $revealed, 'nor from a plain dump');
unlike(slurp_file("$directory/plain"), qr/pg_shdepend|renew_binding/, 'no token is dumped');
is(notes(' AND dbid = 0'), 4, 'there is one token still');

# A restore that fails leaves all as it was.
my $sealed_now = new_sealed($node, $workspace, 'live', 'origin');
query($node, 'BEGIN; DROP EXTENSION falukeys; CREATE EXTENSION falukeys; ROLLBACK;', 'origin');
opens('origin', $sealed_now, 'a restore that is rolled back changes nothing');

is(query($node, 'BEGIN; SELECT falukeys.adopt_sealed_secrets() > 0; ROLLBACK;', 'origin'), 't', 'adoption');
is(opens('origin', $revealed, 'after which it opens'), $key, 'with the same secret');
stays_revealed('origin', $revealed);
opens('origin', $unrevealed, 'as all the others do');

sub stays_revealed
{
	my ($database, $id) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return refused($node, "SELECT falukeys.reveal_key('$id')", '55000', qr/has been revealed/, 'once', $database);
}

# A copy that takes the place of the original, OID and all

foreach my $strategy ('wal_log', 'file_copy')
{
	my $oid = oid_of('origin');
	my $id = new_sealed($node, $workspace, 'live', 'origin');

	query($node, "CREATE DATABASE copy TEMPLATE origin STRATEGY $strategy");
	stays_closed('copy', $id, "$strategy: it does not open in a copy");
	opens('origin', $id, "$strategy: it does in the original");
	query($node, 'DROP DATABASE origin');
	is(notes(' AND dbid = 0'), 0, "$strategy: which leaves no token when it is dropped");
	query($node, "CREATE DATABASE origin TEMPLATE copy OID = $oid STRATEGY $strategy");
	query($node, 'DROP DATABASE copy');
	is(oid_of('origin'), $oid, "$strategy: the old name and OID");
	stays_closed('origin', $id, "$strategy: it does not open again");

	# A copy makes its token where it needs one, and so do two sessions at once.
	my @sessions = map { session($node, 'origin') } 1 .. 4;
	foreach my $session (@sessions)
	{
		$session->query_until(qr/sent/,
			"\\echo sent\nSELECT id FROM falukeys.create_key('$workspace', 'secret', 'live', reveal => false) AS k, "
			. "pg_sleep(0.2);\n");
	}
	session_attempt($_, 'SELECT 1') foreach @sessions;
	$_->quit foreach @sessions;
	is(notes(' AND dbid = 0'), 4, "$strategy: four sessions make one token");
	opens('origin', $_, "$strategy: under which what is sealed now opens")
	  foreach (split(/\n/, query($node, "SELECT id FROM falukeys.keys ORDER BY created_at DESC LIMIT 4", 'origin')));
	stays_closed('origin', $id, "$strategy: and nothing else");
}

# Adoption in a copy is not undone by ROLLBACK, though it makes the token.
my $waiting = new_sealed($node, $workspace, 'live', 'origin');
query($node, 'CREATE DATABASE copy TEMPLATE origin');
my $adopted = query($node, 'BEGIN; SELECT falukeys.adopt_sealed_secrets(); ROLLBACK;', 'copy');
cmp_ok($adopted, '>', 0, 'adopted in a copy');
is(query($node, 'SELECT falukeys.adopt_sealed_secrets()', 'copy'), 0, 'once');
opens('copy', $waiting, 'it opens there');
opens('origin', $waiting, 'and here, since someone said that here is gone');

# The token stays with its database, and in nobody's way.
my $id = new_sealed($node, $workspace, 'live', 'origin');
mkdir("$directory/space") or die;
query($node, 'CREATE ROLE leaving');
query($node, 'CREATE ROLE staying');
query($node, "CREATE TABLESPACE space LOCATION '$directory/space'");
foreach my $statement (
	'ALTER DATABASE origin OWNER TO leaving',
	'GRANT CREATE ON DATABASE origin TO leaving',
	'ALTER DATABASE origin RENAME TO renamed',
	'ALTER DATABASE renamed SET TABLESPACE space',
	'ALTER DATABASE renamed SET TABLESPACE pg_default',
	'ALTER DATABASE renamed RENAME TO origin',
	'REASSIGN OWNED BY leaving TO staying',
	'DROP OWNED BY leaving',
	'DROP ROLE leaving',
	'VACUUM FULL pg_shdepend',
	'REINDEX TABLE pg_shdepend',
	'DROP TABLESPACE space')
{
	my ($sqlstate, $messages) = attempt($node, $statement);

	is($sqlstate, '00000', $statement) or diag $messages;
}
refused($node, 'DROP ROLE staying', '2BP01', qr/^(?!.*unrecognized).*owner of database/s,
	'DROP ROLE lists what depends on it, and no token');
opens('origin', $id, 'it still opens');
query($node, 'ALTER DATABASE origin OWNER TO CURRENT_USER; DROP ROLE staying;');

# Dropping the extension, and making it again, makes another token.
my $token = query($node, "SELECT string_agg(refobjid::text, ' ' ORDER BY objsubid) FROM pg_shdepend WHERE objid = "
	. oid_of('origin') . " AND deptype = 'f'");
like($token, qr/^\d+ \d+ \d+ \d+$/, 'a token');
query($node, 'DROP EXTENSION falukeys; CREATE EXTENSION falukeys;', 'origin');
isnt(query($node, "SELECT string_agg(refobjid::text, ' ' ORDER BY objsubid) FROM pg_shdepend WHERE objid = "
	. oid_of('origin') . " AND deptype = 'f'"),
	$token, 'another token');

# What a rotation notes goes with the extension.
query($node, 'SELECT falukeys.rotate_master_key()', 'origin');
is(notes(' AND dbid = ' . oid_of('origin')), 2, 'a rotation leaves a note');
query($node, 'DROP EXTENSION falukeys; CREATE EXTENSION falukeys;', 'origin');
is(notes(' AND dbid = ' . oid_of('origin')), 0, 'which goes with the extension');
query($node, 'SELECT falukeys.rotate_master_key()', 'origin');

# A standby has it, and once promoted reveals what was sealed and not revealed.

$workspace = new_workspace($node, 'Standby', 'origin');
($revealed, my $later) = map { new_sealed($node, $workspace, 'live', 'origin') } 1 .. 2;
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
chmod(0600, $standby->data_dir . '/falukeys.key') or die;
$standby->start;
opens('origin', $revealed, 'revealed on the primary');
my $streamed = new_sealed($node, $workspace, 'live', 'origin');
$node->wait_for_catchup($standby);
$node->stop;
$standby->promote;
refused($standby, "SELECT falukeys.reveal_key('$revealed')", '55000', qr/has been revealed/,
	'promoted: what was revealed stays so', 'origin');
like(query($standby, "SELECT falukeys.reveal_key('$_')", 'origin'), $live_key, 'promoted: what was not opens')
  foreach ($later, $streamed);
$standby->stop;

# Nothing is left of dropped databases.
$node->start;
query($node, 'DROP DATABASE origin');
query($node, 'DROP DATABASE copy');
is(notes(), 0, 'dropped databases leave no tokens');

$node->stop;
done_testing();
