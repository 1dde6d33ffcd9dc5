# Who waits for a key where the library is preloaded: a transaction that acts by
# one key is noted in memory, one that acts by more or is prepared has locks.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('holders', conf => "shared_preload_libraries = 'falukeys'\nmax_prepared_transactions = 2\n");
my $workspace = new_workspace($node, 'Holders');
my (%id, %key);
foreach my $name (qw(first second))
{
	($id{$name}, $key{$name}) =
		split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')"));
}
my $actor = session($node);

sub act
{
	my ($sql) = @_;

	$sql =~ s/take\((\w+)(.*?)\)/SELECT FROM falukeys.try_authenticate('$key{$1}'$2)/g;
	$actor->query_safe($sql);
	return;
}

# Who is waited for, of a key by its name
sub waits
{
	my ($name, $what) = @_;

	refused($node, "SET lock_timeout = '100ms'; SELECT falukeys.wait_for_key('$id{$name}')", '55P03', qr/./, $what);
	return;
}

sub passes
{
	my ($name, $what) = @_;

	is(query($node, "SET lock_timeout = '100ms'; SELECT 'over' FROM falukeys.wait_for_key('$id{$name}')"),
		'over', $what);
	return;
}

sub locks
{
	return query($node, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'");
}

act('BEGIN; take(first)');
waits('first', 'the key of a transaction is waited for');
passes('second', 'and no other');
is(locks(), 0, 'there is no lock');
act('take(first)');
is(locks(), 0, 'nor if it is taken again');
act("take(first, mode => 'live')");
waits('first', 'refused later, it was still taken');
act('SELECT falukeys.deauthenticate()');
waits('first', 'given up, too');
act('COMMIT');
passes('first', 'until the end of the transaction');

act('BEGIN; take(first); take(second)');
waits($_, "of two keys, the $_ is waited for") foreach qw(first second);
is(locks(), 1, 'one of them by a lock');
act("take(second, mode => 'live')");
waits('second', 'refused later, it was still taken');
act('ROLLBACK');
passes($_, "the $_ until the end of the transaction") foreach qw(first second);

act("BEGIN; take(first, mode => 'live')");
passes('first', 'no one waits for a key that was refused');
act('take(second)');
is(locks(), 0, 'it has left its place to the next');
waits('second', 'which is waited for');
act('COMMIT');

# Refused again and again, it is noted or locked most of the time.
foreach my $before ('', 'take(second)')
{
	act("BEGIN; $before");
	$actor->query_until(qr/presenting/, "\\echo presenting\nDO \$\$BEGIN LOOP PERFORM "
		. "falukeys.try_authenticate('$key{first}', mode => 'live'); END LOOP; END\$\$;\n");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'DO %' "
		. "AND state = 'active'") or die 'nothing is presented';
	passes('first', 'no one waits for a key that is only presented' . ($before && ', beside another one'))
		foreach 1 .. 10;
	query($node, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %'");
	eval { $actor->quit };
	$actor = session($node);
}

# Who waits stands in nobody's way.
act('BEGIN; take(first)');
my $waiter = session($node);
$waiter->query_until(qr/waiting/, "\\echo waiting\nBEGIN; SELECT falukeys.wait_for_key('$id{first}');\n");
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'virtualxid'") or die;
is(query($node, "SELECT count(*) FROM pg_locks WHERE relation::regclass::text LIKE 'falukeys.%'"), 0,
	'who waits for a key has locked no table');
act('COMMIT');
$waiter->query_safe('COMMIT');
$waiter->quit;

act('BEGIN; SAVEPOINT s; take(first); ROLLBACK TO s');
waits('first', 'a key that was taken in a savepoint is waited for');
act('take(second)');
waits($_, "and beside another one: $_") foreach qw(first second);
act('COMMIT; BEGIN');
passes('first', 'the next transaction of the session is another one');
act('COMMIT');

act("BEGIN; take(first); take(second); PREPARE TRANSACTION 'p'");
waits($_, "a prepared transaction is waited for: $_") foreach qw(first second);
$node->stop('immediate');
$node->start;
waits($_, "also after a crash: $_") foreach qw(first second);
query($node, "COMMIT PREPARED 'p'");
passes($_, "until it is committed: $_") foreach qw(first second);

# A temporary key that has been purged: who waits for the key that made it does not find it.
query($node, "CREATE ROLE api; SELECT falukeys.grant_access('api', 'verifier')");
my $maker = session($node);
$maker->query_safe('SET ROLE api');
foreach my $name (qw(temporary another))
{
	($id{$name}, $key{$name}) = $maker->query_safe(qq(
		BEGIN;
		SELECT FROM falukeys.authenticate('$key{second}');
		SELECT * FROM falukeys.create_temporary_key('$workspace', 'test', '{a}');
		COMMIT;)) =~ /(key_\w+)\|(ftkt_\w+)/;
}
eval { $actor->quit };
$actor = session($node);
act("BEGIN; take(temporary, object_id => 'a')");
is(query($node, "SELECT falukeys.revoke_key('$id{temporary}'); SELECT falukeys.purge_keys('0')"), "\n1",
	'a temporary key by which a transaction acts is purged');
waits('second', 'the key that made it has the transaction still');
passes('first', 'and no other');
act("PREPARE TRANSACTION 'p'");
waits('second', 'prepared, too');
query($node, "ROLLBACK PREPARED 'p'");
passes('second', 'until it ends');
act("BEGIN; take(first); take(another, object_id => 'a')");
query($node, "SELECT falukeys.revoke_key('$id{another}'); SELECT falukeys.purge_keys('0')");
waits('second', 'and as the second identity of a transaction');
act('COMMIT');
passes('second', 'to its end');
$maker->quit;
$actor->quit;

# The same key in another database of the server
query($node, 'CREATE DATABASE other TEMPLATE postgres');
my $elsewhere = session($node, 'other');
$elsewhere->query_safe("BEGIN; SELECT FROM falukeys.authenticate('$key{first}')");
passes('first', 'a transaction in another database has another key');
eval { $elsewhere->quit };

$node->stop;
done_testing();
