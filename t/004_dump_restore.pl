# pg_dump and restore reproduce every row of every table and add none, and a
# restored database verifies every key that it verified before.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PlatformTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('source', empty => 1);
my $other = new_server('target', empty => 1);

make_roles($node);
make_roles($other, 1);
query($node, 'CREATE DATABASE origin');
make_platform($node, 'origin');

my $content = content($node, 'origin');
my $verdicts = verdicts($node, 'origin');
cmp_ok(scalar(tables()), '>=', 12, 'there are twelve tables');
# A copy has no heartbeat of its own.
isnt($content->{$_}, '', "table $_ is not empty") foreach grep { $_ ne 'heartbeat' } tables();
my %codes = map { ($_ => 1) } $verdicts =~ /\(\w,(\w+),/g;
is(join(' ', sort keys %codes),
	'compromised disabled expired network_denied not_yet_valid object_denied permission_denied revoked rolled '
		. 'secret_key_required unknown valid workspace_closed workspace_suspended',
	'the keys have every code that there is to compare');
is(query($node, 'SELECT count(*) FROM falukeys.members WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = member)',
	'origin'), 1, 'a member\'s role is gone');

# Restored in several ways

my $directory = PostgreSQL::Test::Utils::tempdir();

run_for($node, 'pg_dump', '-Fc', '-f', "$directory/custom", 'origin');
run_for($node, 'pg_dump', '-Fd', '-j', '2', '-f', "$directory/directory", 'origin');
run_for($node, 'pg_dump', '-f', "$directory/plain", 'origin');
run_for($node, 'pg_dump', '--column-inserts', '-f', "$directory/inserts", 'origin');
check_same($node, 'origin');

# Another database of the same server

query($node, "CREATE DATABASE $_") foreach ('custom', 'plain', 'inserts', 'together');
run_for($node, 'pg_restore', '-e', '-d', 'custom', "$directory/custom");
run_for($node, 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', 'plain', '-f', "$directory/plain");
run_for($node, 'psql', '-Xq', '-1', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', 'inserts', '-f',
	"$directory/inserts");
run_for($node, 'pg_restore', '-e', '-1', '-d', 'together', "$directory/directory");
foreach my $database ('custom', 'plain', 'inserts', 'together')
{
	check_restored($node, $database);
	check_sealed($node, $database);
	check_adopted($node, $database);
	check_goes_on($node, $database);
}

# A copy by the server
query($node, 'CREATE DATABASE copy TEMPLATE origin');
is_deeply(content($node, 'copy'), $content, 'copy: everything is as it was');
check_sealed($node, 'copy');
check_adopted($node, 'copy');

check_original();

# Another server

query($other, "CREATE DATABASE moved");
query($other, "CREATE DATABASE moved_again");
run_for($other, 'pg_restore', '-e', '-d', 'moved', "$directory/custom");
check_restored($other, 'moved');
my $file = $other->data_dir . '/falukeys.key';
foreach my $id (sealed('live'), sealed('test'))
{
	refused($other, "SELECT falukeys.reveal_key('$id')", '55000', qr/falukeys\.key" does not exist|another database/,
		'moved: without the master key nothing opens', 'moved');
}
refused($other, "SELECT falukeys.reveal_key('" . sealed('test') . "')", '55000', qr/falukeys\.key" does not exist/,
	'moved: which says so', 'moved');
refused($other, 'SELECT falukeys.adopt_sealed_secrets()', '55000', qr/falukeys\.key" does not exist/,
	'moved: nor is anything adopted', 'moved');
ok(!-e $file, 'moved: and none is made');
system_or_bail('cp', '-p', $node->data_dir . '/falukeys.key', $file);
check_sealed($other, 'moved');
check_adopted($other, 'moved');
check_goes_on($other, 'moved');

run_for($other, 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', 'moved_again', '-f',
	"$directory/plain");
check_restored($other, 'moved_again');
check_sealed($other, 'moved_again');
check_adopted($other, 'moved_again');

# Dumped again, nothing has been lost or added on the way.
query($node, 'CREATE DATABASE back');
run_for($other, 'pg_dump', '-Fc', '-f', "$directory/back", 'moved_again');
run_for($node, 'pg_restore', '-e', '-d', 'back', "$directory/back");
is_deeply(content($node, 'back'), content($other, 'moved_again'), 'back: dumped again, everything is as it was');

$node->stop;
$other->stop;
done_testing();
