# Up to PostgreSQL 16 a snapshot can be too old to read a page by. Verification
# does not read by the transaction's, so for it none ever is.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('old');
my $can_be_too_old = query($node, q{SELECT count(*) FROM pg_settings WHERE name = 'old_snapshot_threshold'});

if ($can_be_too_old)
{
	$node->append_conf('postgresql.conf', "old_snapshot_threshold = 0\n");
	$node->restart;
}

# Long enough to be stored out of line
my $long = q{(SELECT jsonb_agg(md5(i::text || clock_timestamp()::text)) FROM generate_series(1, 500) i)};
my $workspace = new_workspace($node, 'Old');
my ($id, $key) = split(/\|/, query($node,
	"SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test', meta => $long)"));

query($node, "CREATE TABLE control AS SELECT $long AS long");
my $session = session($node);
session_attempt($session, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');

# The session's snapshot is too old once something that it might see is gone; in
# later versions it never is.
my $expected = $can_be_too_old ? '72000' : '00000';
my $sqlstate = '';
foreach my $attempt (1 .. 600)
{
	query($node, "UPDATE control SET long = $long");
	query($node, "SELECT falukeys.annotate_key('$id', meta => $long)");
	query($node, 'VACUUM control');
	query($node, 'VACUUM falukeys.keys');
	session_attempt($session, 'SAVEPOINT s');
	($sqlstate) = session_attempt($session, 'SELECT length(long::text) FROM control');
	session_attempt($session, 'ROLLBACK TO s');
	last if $sqlstate eq $expected;
	select(undef, undef, undef, 0.1);
}
is($sqlstate, $expected, 'a table of its own is read by its snapshot');
foreach my $function ('verify_key', 'authenticate')
{
	my ($state, $messages, $output) = session_attempt($session,
		"SELECT code, length(meta::text) > 10000 FROM falukeys.$function('$key')");

	is("$state $output", '00000 valid|t', "$function reads as of now") or diag $messages;
}
$session->quit;
$node->stop;

done_testing();
