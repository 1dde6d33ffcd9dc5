# With preloading, each verification of a known key is counted, once: what
# counts, beside flushes, and beside transactions and locks of others.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use UsageTest;

my $node = counting_server('usage', "max_connections = 40\n");
my $workspace = new_workspace($node, 'Usage');
query($node, "SELECT falukeys.define_permission('messages'), falukeys.define_permission('payments')");

# Views and table say the same once all is flushed.
sub flush_changes_nothing
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $usage = 'SELECT key_id, uses, denials, last_used_at, last_client, last_retired_at, last_retired_client FROM';
	my $before = query($node, "$usage falukeys.usage WHERE uses + denials > 0 ORDER BY key_id");

	wait_for_flush($node);
	return is(query($node, "$usage falukeys.key_usage ORDER BY key_id"), $before, $name);
}

# Looks at the uses of a key until they are as many as expected, and answers how
# often they went down, how many there were, and how many flushes it saw.
query($node, <<'SQL');
CREATE FUNCTION watch_usage(watched text, expected bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen bigint := 0;
	seen_now bigint;
	flushed bigint := 0;
	flushed_now bigint;
	decreases integer := 0;
	flushes integer := 0;
BEGIN
	FOR i IN 1 .. 30000 LOOP
		SELECT u.uses, coalesce(f.uses, 0) INTO seen_now, flushed_now
			FROM falukeys.usage AS u LEFT JOIN falukeys.key_usage AS f USING (key_id) WHERE u.key_id = watched;
		decreases := decreases + (seen_now < seen)::integer;
		flushes := flushes + (flushed_now > flushed)::integer;
		seen := seen_now;
		flushed := flushed_now;
		EXIT WHEN seen >= expected;
		PERFORM pg_sleep(0.001);
	END LOOP;
	RETURN decreases || '|' || seen || '|' || flushes;
END $$;
SQL

sub test_load
{
	my $transactions = 16 * 1000;
	my @keys = ([ new_key($node, $workspace, ", permissions => '{messages}'") ],
		[ new_key($node, $workspace, ", networks => '{192.0.2.0/24}'") ],
		[ new_key($node, $workspace) ], [ new_key($node, $workspace) ]);
	my ($hot, $watched) = ($keys[0][1], $keys[0][0]);
	my $ids = join(', ', map { "'$_->[0]'" } @keys);
	my $sums = "SELECT key_id = '$watched', sum(uses), sum(denials) FROM falukeys.RELATION WHERE key_id IN ($ids) "
		. "GROUP BY 1 ORDER BY 1";
	my $watcher = session($node);

	$watcher->query_until(qr/watching/, "\\echo watching\nSELECT watch_usage('$watched', 2 * $transactions);\n");
	my $pgbench = start_pgbench($node, <<SQL, '-c', 16, '-j', 2, '-t', $transactions / 16);
\\set other random(1, 2)
SELECT falukeys.key_allows('$hot', 'messages.read', NULL), falukeys.key_allows('$hot', 'messages', '10.0.0.1'),
	falukeys.key_allows('$hot', 'payments', NULL),
	falukeys.key_allows('$keys[1][1]', NULL, '192.0.2.1'), falukeys.key_allows('$keys[1][1]', NULL, '10.0.0.1');
SELECT (falukeys.verify_key((ARRAY['$keys[2][1]', '$keys[3][1]'])[:other])).code;
SQL
	finish_pgbench($pgbench, $transactions);
	my $exact = 'f|' . 2 * $transactions . "|$transactions\nt|" . 2 * $transactions . "|$transactions";
	is(query($node, $sums =~ s/RELATION/usage/r), $exact, 'with sixteen clients the view is exact at once');
	my ($decreases, $seen, $flushes) = split(/\|/, (session_attempt($watcher, ''))[2]);
	is("$decreases $seen", '0 ' . 2 * $transactions, 'and never went down before');
	cmp_ok($flushes, '>=', 3, 'beside several flushes');
	wait_for_flush($node);
	is(query($node, $sums =~ s/RELATION/key_usage/r), $exact, 'key_usage is exact once all is flushed');
	$watcher->quit;
	return;
}

# What counts

sub test_codes
{
	my $closed = new_workspace($node, 'Closed');
	my $suspended = new_workspace($node, 'Suspended');
	my $sum = 'SELECT sum(uses), sum(denials) FROM falukeys.usage';
	my $before = query($node, $sum);

	# What makes a key, what happens to it, what is asked of it
	my $secret = "create_key('$workspace', 'secret', 'live'";
	my %cases = (
		valid => ["$secret)"],
		rolled => [ "$secret)", "roll_key('<ID>')" ],
		compromised => [ "$secret)", "report_compromised_key('<KEY>')" ],
		revoked => [ "$secret)", "revoke_key('<ID>')" ],
		disabled => [ "$secret)", "disable_key('<ID>')" ],
		not_yet_valid => ["$secret, not_before => now() + interval '1 day')"],
		expired => [ "$secret)", "set_key_validity('<ID>', NULL, now() + interval '1 millisecond')" ],
		workspace_closed => [ "create_key('$closed', 'secret', 'live')", "close_workspace('$closed')" ],
		workspace_suspended => [ "create_key('$suspended', 'secret', 'live')", "suspend_workspace('$suspended')" ],
		wrong_mode => [ "$secret)", undef, "mode => 'test'" ],
		network_denied => [ "$secret, networks => '{192.0.2.0/24}')", undef, "client => '10.0.0.1'" ],
		secret_key_required => [ "create_key('$workspace', 'public', 'live')", undef, "permission => 'messages'" ],
		permission_denied => [ "$secret, permissions => '{messages}')", undef, "permission => 'payments'" ],
		object_denied => [ "create_temporary_key('$workspace', 'live', '{one}')", undef, "object_id => 'two'" ]);

	foreach my $unknown ("'garbage'", 'NULL', "'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'")
	{
		like(query($node, "SELECT code FROM falukeys.verify_key($unknown)"), qr/^(?:unknown|malformed)$/,
			"no key: $unknown");
	}
	is(query($node, $sum), $before, 'what is no key counts nowhere');
	foreach my $code (sort keys %cases)
	{
		my ($create, $change, $asked) = @{ $cases{$code} };
		my ($id, $key) = split(/\|/, query($node, "SELECT * FROM falukeys.$create"));

		query($node, 'SELECT falukeys.' . $change =~ s/<ID>/$id/r =~ s/<KEY>/$key/r) if defined $change;
		is(query($node, "SELECT code FROM falukeys.verify_key('$key'" . (defined $asked ? ", $asked)" : ')')), $code,
			"a key that is $code");
		is(counted($node, $id), $code eq 'valid' ? '1|0' : '0|1', $code eq 'valid' ? 'counts as a use'
			: 'counts as a denial');
	}
	flush_changes_nothing('and so it is flushed');
	return;
}

sub test_functions
{
	my ($good, $good_key) = new_key($node, $workspace);
	my ($bad, $bad_key) = new_key($node, $workspace, ", networks => '{192.0.2.0/24}'");
	my $uses = 0;

	foreach my $call ("verify_key('<KEY>')", "key_allows('<KEY>', NULL, NULL)",
		"handle_allows(falukeys.apikey_of('<KEY>'), NULL, NULL)", "authenticate('<KEY>')",
		"try_authenticate('<KEY>')", "assume_key(falukeys.apikey_of('<KEY>'))", 'authenticate_request()')
	{
		my $request = q(SELECT set_config('request.headers', '{"x-api-key": "<KEY>"}', false));

		attempt($node, "$request; SELECT falukeys.$call" =~ s/<KEY>/$_/gr) foreach ($good_key, $bad_key);
		$uses++;
		is(counted($node, $good) . ' ' . counted($node, $bad), "$uses|0 0|$uses",
			"$call counts one use, or one denial");
	}
	query($node, "SELECT falukeys.redact('$good_key'), falukeys.apikey_of('$good_key'), falukeys.reveal_key('$good'), "
		. "falukeys.report_compromised_key('$bad_key')");
	is(counted($node, $good) . ' ' . counted($node, $bad), "$uses|0 0|$uses", 'what does not verify counts nothing');
	foreach my $transaction ('BEGIN; VERIFY; ROLLBACK', 'BEGIN; SAVEPOINT s; VERIFY; ROLLBACK TO s; COMMIT',
		'BEGIN READ ONLY ISOLATION LEVEL SERIALIZABLE; VERIFY; COMMIT')
	{
		query($node, $transaction =~ s/VERIFY/SELECT falukeys.verify_key('$good_key')/r);
		$uses++;
		is(counted($node, $good), "$uses|0", "$transaction counts");
	}
	query($node, "SET falukeys.track_usage = off; SELECT falukeys.verify_key('$_'), falukeys.key_allows('$_', NULL, "
		. "NULL)") foreach ($good_key, $bad_key);
	is(counted($node, $good), "$uses|0", 'with track_usage = off nothing counts');
	is(query($node, "SELECT uses, last_used_at > now() - interval '1 minute' FROM falukeys.dashboard "
		. "WHERE key_id = '$good'"), "$uses|t", 'the dashboard shows uses and the last one');
	flush_changes_nothing('and so it is flushed');
	return;
}

sub test_last
{
	my ($id, $key) = new_key($node, $workspace);
	my $last = sub { return query($node, "SELECT $_[0] FROM falukeys.usage WHERE key_id = '$id'"); };
	my $client = sub {
		my ($named, $expected, $name) = @_;

		query($node, "SELECT falukeys.key_allows('$key', NULL, $named)");
		return is($last->('last_client'), $expected, "the last client: $name");
	};

	$client->('NULL', '', 'not named yet');
	is($last->('last_used_at BETWEEN now() - interval \'1 minute\' AND now(), last_retired_at IS NULL'), 't|t',
		'the last use was just now, and of no retired secret');
	$client->("'192.0.2.7'", '192.0.2.7', 'named');
	wait_for_flush($node);
	$client->('NULL', '192.0.2.7', 'then not named');
	$client->("'2001:db8::1'", '2001:db8::1', 'another one');
	wait_for_flush($node);
	my $used_at = $last->('last_used_at');
	query($node, "SELECT falukeys.verify_key('$key', client => '192.0.2.9', mode => 'live')");
	is($last->('last_client, last_used_at'), "2001:db8::1|$used_at",
		'a denial changes neither last client nor last use');
	verify($node, $key, 1);
	is($last->("last_client, last_used_at > '$used_at'"), '2001:db8::1|t', 'a use without a client changes the latter');

	my $new_key = query($node, "SELECT key FROM falukeys.roll_key('$id', '1 hour')");
	verify($node, $new_key, 1);
	is($last->('last_retired_at'), '', 'no retired secret was presented yet');
	is_code($node, $key, 'valid', 'one is, in its grace');
	my $retired_at = $last->('last_retired_at');
	isnt($retired_at, '', 'and that is known');
	query($node, "SELECT falukeys.end_grace('$id')");
	verify($node, $new_key, 1);
	is($last->('last_retired_at'), $retired_at, 'not changed by the new one');
	is_code($node, $key, 'rolled', 'one is, after its grace');
	is($last->("last_retired_at > '$retired_at', uses, denials"), 't|8|2', 'and that is known');
	is($last->('last_retired_client'), '', 'none of them named a client');
	my $from = "SELECT code FROM falukeys.verify_key('%s', client => '%s')";
	is(query($node, sprintf($from, $key, '192.0.2.99')), 'rolled', 'one that names its client');
	is(query($node, sprintf($from, $new_key, '192.0.2.1')), 'valid', 'and one with the new secret');
	verify($node, $key, 1);
	is($last->('last_retired_client, last_client, uses, denials'), '192.0.2.99|192.0.2.1|9|4',
		'clients are known apart');
	flush_changes_nothing('and so it is flushed');
	return;
}

# Who sees it

sub test_access
{
	my $other = new_workspace($node, 'Another one');
	my ($id, $key) = new_key($node, $workspace);
	my $session = session($node);

	query($node, <<SQL);
CREATE ROLE developer; CREATE ROLE member; CREATE ROLE developer_of_another; CREATE ROLE stranger; CREATE ROLE operator;
CREATE ROLE manager; CREATE ROLE verifier;
SELECT falukeys.add_member('$workspace', 'developer', 'developer'),
	falukeys.add_member('$workspace', 'member', 'member'),
	falukeys.add_member('$other', 'developer_of_another', 'developer');
SELECT falukeys.grant_access('operator', 'operator'), falukeys.grant_access('manager', 'manager'),
	falukeys.grant_access('verifier', 'verifier');
SQL
	# A flush finds no way in.
	session_attempt($session, 'BEGIN; LOCK TABLE falukeys.key_usage IN SHARE MODE');
	verify($node, $key, 3);
	my $superuser = query($node, 'SELECT current_user');

	foreach my $role ('developer', 'operator', 'manager', $superuser, 'member', 'developer_of_another',
		'stranger', 'verifier')
	{
		my $sees = grep { $role eq $_ } ('developer', 'operator', 'manager', $superuser);
		my $workspaces = { developer => 1, developer_of_another => 1 }->{$role}
			// ($sees ? query($node, 'SELECT count(*) FROM falukeys.workspaces') : 0);

		is(query($node, "SET ROLE \"$role\"; SELECT * FROM falukeys_internal.unflushed_usage('$id')") =~ s/\|2.*//r,
			$sees ? '3|0' : '|||||', "$role: unflushed_usage " . ($sees ? 'answers' : 'answers NULLs'));
		is(query($node, "SET ROLE \"$role\"; SELECT count(*) FROM falukeys.usage WHERE key_id = '$id'"), $sees ? 1 : 0,
			"$role: so does the view usage");
		is(query($node, "SET ROLE \"$role\"; SELECT count(DISTINCT workspace_id) FROM falukeys.usage"), $workspaces,
			"$role: with $workspaces workspaces in it");
	}
	is(query($node, "SELECT * FROM falukeys_internal.unflushed_usage('key_000000000000000000000000000'), "
			. "falukeys_internal.unflushed_usage('no id') AS n, falukeys_internal.unflushed_usage(NULL) AS o"),
				'|' x 17,
		'NULLs too where there is no key');
	session_attempt($session, 'COMMIT');
	wait_for_flush($node);
	is(query($node, "SET ROLE developer; SELECT uses, denials FROM falukeys_internal.unflushed_usage('$id')"), '0|0',
		'nothing is unflushed once it is flushed');
	$session->quit;
	return;
}

# Transactions and locks of others

sub several_flushes
{
	my (undef, $key) = new_key($node, $workspace);

	foreach (1 .. 3)
	{
		verify($node, $key, 1);
		wait_for_flush($node);
	}
	return;
}

sub test_creation
{
	my $session = session($node);

	foreach my $end ('COMMIT', 'ROLLBACK')
	{
		my ($id, $key) = split(/\|/, (session_attempt($session,
			"BEGIN; SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')"))[2]);

		is((session_attempt($session, "SELECT code FROM falukeys.verify_key('$key')"))[2], 'valid',
			"$end: a key is verified by the transaction that creates it");
		several_flushes();
		is(flushed($node, $id), '', "$end: flushes leave it alone");
		session_attempt($session, $end);
		several_flushes();
		is(flushed($node, $id), $end eq 'COMMIT' ? '1|0' : '',
			"$end: after it, its count is " . ($end eq 'COMMIT' ? 'flushed' : 'not'));
	}
	$session->quit;
	return;
}

sub test_old_snapshot
{
	my ($id, $key) = new_key($node, $workspace);
	my $session = session($node);
	my $look = sub { return (session_attempt($session, "SELECT uses FROM falukeys.usage WHERE key_id = '$id'"))[2]; };

	session_attempt($session, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
	is($look->(), '0', 'an old snapshot sees no use');
	verify($node, $key, 10);
	wait_for_flush($node);
	is(flushed($node, $id), '10|0', 'ten are flushed');
	is($look->(), '10', 'which the old snapshot does not see in the table, but still finds in memory');
	session_attempt($session, 'COMMIT');
	is($look->(), '10', 'and a new one in the table alone');
	$session->quit;
	return;
}

# Flushes do not wait for others, nor others for them.
sub test_locks
{
	my ($id, $key) = new_key($node, $workspace);
	my ($ended, $ended_key) = split(/\|/,
		query($node, "SELECT * FROM falukeys.create_temporary_key('$workspace', 'test', '{one}', "
			. "ttl => '1 millisecond')"));
	my $workers = worker_pids($node);
	my $session = session($node);
	my $uses = 0;

	$node->poll_query_until('postgres', "SELECT code = 'expired' FROM falukeys.verify_key('$ended_key')") or die;
	wait_for_flush($node);
	like(flushed($node, $ended), qr/^0\|[1-9]/, 'denials of an expired key were flushed');
	foreach my $work ('LOCK TABLE falukeys.key_usage', 'LOCK TABLE falukeys.keys',
		'UPDATE falukeys.key_usage SET uses = uses', "SELECT falukeys.purge_keys('0')")
	{
		my $name = $work =~ s/falukeys\.//r;

		$uses += 5;
		session_attempt($session, "BEGIN; $work");
		if ($work =~ /keys$/)
		{
			session_attempt($session, "SELECT falukeys.verify_key('$key') FROM generate_series(1, 5)");
		}
		else
		{
			query($node, "SET statement_timeout = '60s'; SELECT falukeys.verify_key('$key'), "
				. "falukeys.verify_key('$ended_key') FROM generate_series(1, 5)");
		}
		# Several flushes are tried.
		sleep(0.5);
		session_attempt($session, 'COMMIT');
		is(counted($node, $id), "$uses|0", "$name: all is counted");
		ok($node->poll_query_until('postgres', "SELECT uses = $uses FROM falukeys.key_usage WHERE key_id = '$id'"),
			"$name: and flushed after it");
	}
	wait_for_flush($node);
	is(flushed($node, $ended), '', 'a purged key has no usage');
	is(worker_pids($node), $workers, 'the worker is still the same one');
	$session->quit;
	return;
}

test_load();
test_codes();
test_functions();
test_last();
test_access();
test_creation();
test_old_snapshot();
test_locks();
no_complaints($node, 'no worker has complained');
$node->stop;
done_testing();
