# Standbys: verification works there and sees what is replayed, a live secret is
# not revealed there, a standby that may be behind says so, and what takes
# something away holds on synchronous standbys when it returns. How a standby may
# come to be behind: 026_standby_faults.pl.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $live_key = qr/^fskl_[0-9A-Za-z]{49}$/;
my $primary = new_server('primary', init => { allows_streaming => 1 }, conf => "max_connections = 30\n");
my $workspace = new_workspace($primary, 'Standby');
query($primary, "SELECT falukeys.define_permission('messages'), falukeys.define_permission('payments')");

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "wal_receiver_status_interval = 1s\nhot_standby_feedback = on\n");
# The test framework's copy does not keep modes, as a backup itself does.
chmod(0600, $standby->data_dir . '/falukeys.key') or die;
$standby->start;

sub new_key
{
	my ($mode, $more) = @_;

	return split(/\|/, query($primary, "SELECT * FROM falukeys.create_key('$workspace', 'secret', '$mode'"
		. ($more || '') . ')'));
}

sub primary_does
{
	query($primary, $_[0]);
	$primary->wait_for_catchup($standby);
	return;
}

# Verification, and what it sees after replay

my ($id, $key) = new_key('live');
my ($test_id, $test_key) = new_key('test');
$primary->wait_for_catchup($standby);
is(query($standby, 'SELECT pg_is_in_recovery()'), 't', 'the standby is one');
is_code($standby, $key, 'valid', 'a key verifies on the standby');
is_code($standby, 'fskl_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', 'unknown', 'an unknown one does not');
is_code($standby, 'garbage', 'malformed', 'nor does garbage');
is(query($standby, "BEGIN; SELECT code FROM falukeys.try_authenticate('$key'); SELECT falukeys.current_key_mode(); "
	. "SELECT code FROM falukeys.try_authenticate('garbage'); SELECT falukeys.current_key_mode() IS NULL; COMMIT"),
	"valid\nlive\nmalformed\nt", 'it is an identity there, and another one that is refused leaves none');
is(query($standby, "BEGIN; SELECT code FROM falukeys.assume_key(falukeys.apikey_of('$key')); "
	. "SELECT falukeys.current_key_mode(); COMMIT"),
	"valid\nlive", 'so it is by its handle');

# A session that stays, with what it remembers of workspaces
my $session = session($standby);
my $repeatable = session($standby);
session_attempt($repeatable, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM falukeys.keys');
session_attempt($_, 'PREPARE verify(text) AS SELECT (falukeys.verify_key($1)).code') foreach ($session, $repeatable);

sub seen_there
{
	my ($what, $sql, $text, $expected) = @_;

	primary_does($sql);
	foreach my $case ([ 'new session', undef ], [ 'session', $session ], [ 'old snapshot', $repeatable ])
	{
		my ($name, $there) = @$case;

		next if $name eq 'old snapshot' && !defined $there;
		my $code = $there ? (session_attempt($there, "EXECUTE verify('$text')"))[2]
		  : query($standby, "SELECT code FROM falukeys.verify_key('$text')");

		is($code, $expected, "$what: $expected on the standby, $name");
	}
	return;
}

seen_there('nothing', 'SELECT 1', $key, 'valid');
seen_there('suspension', "SELECT falukeys.suspend_workspace('$workspace')", $key, 'workspace_suspended');
seen_there('suspension, test key', 'SELECT 1', $test_key, 'valid');
seen_there('resumption', "SELECT falukeys.resume_workspace('$workspace')", $key, 'valid');
seen_there('disabling', "SELECT falukeys.disable_key('$id')", $key, 'disabled');
seen_there('enabling', "SELECT falukeys.enable_key('$id')", $key, 'valid');
seen_there('restriction', "SELECT falukeys.restrict_key('$id', networks => '{192.0.2.0/24}')", $key, 'network_denied');
seen_there('clearing', "SELECT falukeys.clear_networks('$id')", $key, 'valid');
seen_there('a roll with a grace', "SELECT falukeys.roll_key('$id', '1 hour')", $key, 'valid');
seen_there('the end of its grace', "SELECT falukeys.end_grace('$id')", $key, 'rolled');
($id, $key) = new_key('live');
seen_there('revocation', "SELECT falukeys.revoke_key('$id')", $key, 'revoked');
my $imported = 'fskl_importedimportedimportedimported';
seen_there('before an import', 'SELECT 1', $imported, 'unknown');
seen_there('import', "SELECT falukeys.import_key('$workspace', '$imported')", $imported, 'valid');
my $again = query($primary, "SELECT falukeys.create_workspace('On and off')");
query($primary, "SELECT falukeys.approve_workspace('$again')");
my (undef, $switched) = split(/\|/, query($primary, "SELECT * FROM falukeys.create_key('$again', 'secret', 'live')"));
foreach (1 .. 3)
{
	seen_there('off', "SELECT falukeys.suspend_workspace('$again')", $switched, 'workspace_suspended');
	seen_there('on', "SELECT falukeys.resume_workspace('$again')", $switched, 'valid');
}
seen_there('closing', "SELECT falukeys.close_workspace('$again')", $switched, 'workspace_closed');
$repeatable->quit;
undef $repeatable;
# Indexes that are exchanged under a session
seen_there('REINDEX', "REINDEX $_", $test_key, 'valid')
  foreach ('TABLE CONCURRENTLY falukeys.keys', 'INDEX CONCURRENTLY falukeys.keys_by_secret', 'TABLE falukeys.keys');
$session->quit;

# Revealing

my $waiting = new_sealed($primary, $workspace, 'live');
$primary->wait_for_catchup($standby);
refused($standby, "SELECT falukeys.reveal_key('$waiting')", '25006', qr/recovery|read-only/,
	'a live secret is not revealed on the standby');
is(query($standby, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'a test secret is');
is(query($standby, "SELECT falukeys.reveal_key(id) = public_key FROM falukeys.keys WHERE kind = 'public' "
	. "AND mode = 'live' LIMIT 1"), 't', 'and a public key');
refused($standby, $_, '25006', qr/recovery|read-only/, "on the standby: $_") foreach (
	"SELECT falukeys.create_key('$workspace', 'secret', 'live')", "SELECT falukeys.roll_key('$waiting')",
	"SELECT falukeys.revoke_key('$waiting')", 'SELECT falukeys.rotate_master_key()',
	'SELECT falukeys.adopt_sealed_secrets()');
$key = query($primary, "BEGIN; SELECT falukeys.reveal_key('$waiting'); ROLLBACK;");
like($key, $live_key, 'it was not used up there: the primary shows it');
$primary->wait_for_catchup($standby);
my ($sqlstate, undef, $output) = attempt($standby, "SELECT falukeys.reveal_key('$waiting')");
like($sqlstate, qr/^(55000|25006)$/, 'and the standby still does not');
is($output, '', 'nor shows anything');
is(query($standby, "SELECT revealed_at IS NOT NULL FROM falukeys.dashboard WHERE key_id = '$waiting'"), 't',
	'the standby knows that it was revealed, ROLLBACK or not');

my $sealed = 'SELECT secret, key_id, seal, revealed_at, revealed_by, first_saved_in FROM falukeys.sealed_secrets '
	. 'ORDER BY secret';
primary_does('SELECT falukeys.rotate_master_key()');
is(query($standby, $sealed), query($primary, $sealed), 'what is changed in place is the same on both');
refused($standby, "SELECT falukeys.reveal_key('$test_id')", '55000', qr/another master key/,
	'the standby has its own file with the master key');
system_or_bail('cp', '-p', $primary->data_dir . '/falukeys.key', $standby->data_dir . '/falukeys.key');
is(query($standby, "SELECT falukeys.reveal_key('$test_id')"), $test_key, 'which goes there after a rotation');

# How far it may be behind

($id, $key) = new_key('live');
$primary->wait_for_catchup($standby);

# On a primary that is not idle
sub becomes
{
	my ($expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $code = '';

	for (my $start = time; $code ne $expected && time < $start + 180; sleep 0.1)
	{
		query($primary, 'SELECT pg_current_xact_id()');
		$code = query($standby, "SELECT code FROM falukeys.verify_key('$key')");
	}
	return is($code, $expected, $name);
}

sub pause_replay
{
	query($standby, 'SELECT pg_wal_replay_pause()');
	$standby->poll_query_until('postgres', "SELECT pg_get_wal_replay_pause_state() = 'paused'") or die 'replay goes on';
	return;
}

sub resume_replay
{
	query($standby, 'SELECT pg_wal_replay_resume()');
	return;
}

sub stays
{
	my ($expected, $seconds, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = time;
	my %codes;

	while (time < $start + $seconds)
	{
		$codes{ query($standby, "SELECT code FROM falukeys.verify_key('$key')") } = 1;
		sleep 0.1;
	}
	is(join(' ', sort keys %codes), $expected, $name);
	return;
}

pause_replay();
query($primary, "SELECT falukeys.disable_key('$test_id')");
stays('valid', 3, 'without a limit a standby verifies however far it is behind');
resume_replay();

configure($standby, 'falukeys.max_standby_lag' => '1s');
becomes('valid', 'a standby that replays commits is not stale');

pause_replay();
becomes('stale_standby', 'one that does not is');
stays('stale_standby', 2, 'and it stays so');
is_code($standby, 'garbage', 'malformed', 'malformed comes before stale_standby');
is_code($standby, $switched, 'stale_standby', 'and stale_standby before all else');
is(query($standby, "BEGIN; SELECT code FROM falukeys.try_authenticate('$key'); "
	. "SELECT falukeys.current_key_id() IS NULL; COMMIT"),
	"stale_standby\nt", 'a stale standby takes no identity');
refused($standby, "SELECT falukeys.assume_key(falukeys.apikey_of('$key'))", '28000', qr/stale_standby/,
	'nor by a handle');
is( query($standby, "SELECT valid, key_id, workspace_id, kind, mode, expires_at, meta "
	. "FROM falukeys.verify_key('$key')"),
	'f||||||', 'with nothing else in the verdict');
is(query($standby, "SELECT falukeys.key_allows('$key', NULL, NULL), falukeys.handle_allows(falukeys.apikey_of('$key'), "
	. "NULL, NULL)"),
	'f|f', 'key_allows and handle_allows fail closed too');
is_code($primary, $key, 'valid', 'a primary is never stale');
resume_replay();
becomes('valid', 'recovers once it replays');

configure($standby, 'falukeys.max_standby_lag' => '0');

# Synchronous: what returns holds there, and waits as long as it is not replayed.

configure($primary, 'synchronous_standby_names' => 'standby');
$primary->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'") or die;

sub code_there
{
	return query($standby, "SELECT code FROM falukeys.verify_key('$_[0]', 'messages', '10.1.2.3')");
}

sub holds_there
{
	my ($name, $sql, $text, $expected) = @_;
	my $session = session($primary);
	my (undef, undef, $pid) = session_attempt($session, 'SELECT pg_backend_pid()');

	pause_replay();
	$session->query_until(qr/calling/, "\\echo calling\n$sql;\n");
	ok($primary->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'SyncRep'"),
		"synchronous: $name waits while nothing is replayed");
	isnt(code_there($text), $expected, "synchronous: $name does not hold there yet");
	resume_replay();
	session_attempt($session, 'SELECT 1');
	is(code_there($text), $expected, "synchronous: when $name returns, the standby says $expected");
	$session->quit;
	return;
}

my %made;
$made{$_} = [ new_key('live') ] foreach ('roll', 'disable', 'permissions', 'networks', 'revoke', 'compromise',
	'validity', 'grace', 'none', 'dml');
query($primary, "SELECT falukeys.roll_key('$made{grace}[0]', '1 hour')");
$primary->wait_for_catchup($standby);
holds_there('roll_key', "SELECT falukeys.roll_key('$made{roll}[0]')", $made{roll}[1], 'rolled');
holds_there('disable_key', "SELECT falukeys.disable_key('$made{disable}[0]')", $made{disable}[1], 'disabled');
holds_there('restrict_key', "SELECT falukeys.restrict_key('$made{permissions}[0]', '{payments}')",
	$made{permissions}[1], 'permission_denied');
holds_there('restrict_key', "SELECT falukeys.restrict_key('$made{networks}[0]', networks => '{192.0.2.0/24}')",
	$made{networks}[1], 'network_denied');
holds_there('revoke_key', "SELECT falukeys.revoke_key('$made{revoke}[0]')", $made{revoke}[1], 'revoked');
holds_there('report_compromised_key', "SELECT falukeys.report_compromised_key('$made{compromise}[1]')",
	$made{compromise}[1], 'compromised');
holds_there('end_grace', "SELECT falukeys.end_grace('$made{grace}[0]')", $made{grace}[1], 'rolled');
holds_there('set_key_validity',
	"SELECT falukeys.set_key_validity('$made{validity}[0]', NULL, now() + interval '1 millisecond')",
	$made{validity}[1], 'expired');
holds_there('an UPDATE by hand', "UPDATE falukeys.keys SET disabled = true WHERE id = '$made{dml}[0]'",
	$made{dml}[1], 'disabled');
holds_there('suspend_workspace', "SELECT falukeys.suspend_workspace('$workspace')", $key, 'workspace_suspended');
query($primary, "SELECT falukeys.resume_workspace('$workspace')");
$primary->wait_for_catchup($standby);
holds_there('a roll in a transaction',
	"BEGIN; SAVEPOINT s; SELECT falukeys.roll_key('$id'); RELEASE s; SELECT 1; COMMIT;", $key, 'rolled');
holds_there('close_workspace', "SELECT falukeys.close_workspace('$workspace')", $imported, 'workspace_closed');

# Whoever asked not to wait does not, nor does what only adds.
$workspace = new_workspace($primary, 'Another one');
($id, $key) = new_key('live');
$primary->wait_for_catchup($standby);
pause_replay();
query($primary, "SET synchronous_commit = off; SELECT falukeys.roll_key('$id')");
my ($added, $added_key) = new_key('live');
is_code($standby, $key, 'valid', 'roll_key without synchronous_commit returns before it holds there');
is_code($standby, $added_key, 'unknown', 'and so does create_key with it');
resume_replay();
$primary->wait_for_catchup($standby);
is_code($standby, $key, 'rolled', 'which it does later');
is_code($standby, $added_key, 'valid', 'both of them');
is(query($primary, 'SELECT falukeys.define_permission(\'more\'); SHOW synchronous_commit;'), "\non",
	'the setting is as it was');

# A reveal waits for the synchronous standby, whatever synchronous_commit says.

foreach my $case ([ 'cancelled', 'pg_cancel_backend', 'on' ],
	[ 'cancelled, synchronous_commit off', 'pg_cancel_backend', 'off' ],
	[ 'cancelled, synchronous_commit local', 'pg_cancel_backend', 'local' ],
	[ 'terminated', 'pg_terminate_backend', 'on' ])
{
	my ($name, $function, $setting) = @$case;
	my $id = new_sealed($primary, $workspace, 'live');

	$primary->wait_for_catchup($standby);
	$standby->stop;
	my $session = session($primary);
	session_attempt($session, "SET synchronous_commit = $setting");
	my (undef, undef, $pid) = session_attempt($session, 'SELECT pg_backend_pid()');
	$session->query_until(qr/waiting/, "\\echo waiting\nSELECT falukeys.reveal_key('$id');\n");
	ok( $primary->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'SyncRep'"),
		"$name: a reveal waits for a standby that is stopped");
	sleep 0.5;
	$session->{run}->pump_nb;
	unlike($session->{stdout}, qr/fskl_/, "$name: and shows nothing meanwhile");
	query($primary, "SELECT $function($pid)");
	if ($function eq 'pg_cancel_backend')
	{
		$session->{run}->pump until $session->{stderr} =~ /ERROR:|server closed/ || $session->{timeout}->is_expired;
		like($session->{stderr}, qr/ERROR:\s+57014:.*counts as revealed and is not shown/s,
			"$name: an error that says so");
	}
	$session->{stdin} .= "\\q\n";
	eval { $session->{run}->finish };
	unlike($session->{stdout} . $session->{stderr}, qr/fskl_/, "$name: the secret is not shown");
	$standby->start;
	$primary->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
		or die;
	refused($primary, "SELECT falukeys.reveal_key('$id')", '55000', qr/has been revealed/,
		"$name: it counts as revealed");
}

# With the standby there, it is there before the plaintext: shown, then promoted

configure($primary, 'synchronous_commit' => 'local');
my @revealed = map { new_sealed($primary, $workspace, 'live') } 1 .. 5;
my $left = new_sealed($primary, $workspace, 'live');
$primary->wait_for_catchup($standby);
my $holder = session($primary);
session_attempt($holder, 'BEGIN');
my @shown = map { (session_attempt($holder, "SELECT falukeys.reveal_key('$_')"))[2] } @revealed;
like($_, $live_key, 'shown by the primary') foreach @shown;
$primary->stop('immediate');
eval { $holder->quit };
$standby->promote;
refused($standby, "SELECT falukeys.reveal_key('$_')", '55000', qr/has been revealed/,
	'the promoted standby does not show it again') foreach @revealed;
is_code($standby, $_, 'valid', 'and verifies it') foreach @shown;
$key = query($standby, "SELECT falukeys.reveal_key('$left')");
like($key, $live_key, 'what was not revealed is shown there');
refused($standby, "SELECT falukeys.reveal_key('$left')", '55000', qr/has been revealed/, 'once');
configure($standby, 'falukeys.max_standby_lag' => '1s');
sleep 1.5;
is_code($standby, $key, 'valid', 'a promoted standby is no standby');

$standby->stop;
done_testing();
