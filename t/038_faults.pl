# Where the disk is full, files cannot be written, or the server is set up as it
# seldom is: what fails says why, and leaves all as it was.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use UsageTest;

my ($ENOSPC, $EIO, $EROFS) = (28, 5, 30);
my $directory = PostgreSQL::Test::Utils::tempdir();
my $faults = "$directory/faults";
my $key_in_output = qr/f[pst]k[tl]_[0-9A-Za-z]{20,}/;

system_or_bail($ENV{CC} || 'cc', '-shared', '-fPIC', '-o', "$directory/faults.so", "$FindBin::RealBin/faults.c",
	'-ldl');

sub set_faults
{
	open(my $handle, '>', "$faults.new") or die;
	print $handle map { "$_\n" } @_;
	close($handle);
	rename("$faults.new", $faults) or die;
	return;
}

sub start_with_faults
{
	my ($node) = @_;
	local $ENV{LD_PRELOAD} = "$directory/faults.so";
	local $ENV{FALUKEYS_FAULTS} = $faults;

	$node->start;
	return;
}

sub with_faults
{
	my ($node) = @_;

	$node->stop;
	set_faults();
	start_with_faults($node);
	return $node;
}

# All rows of all tables but the counts, which go on
sub everything
{
	my ($node) = @_;
	my $tables = query($node, "SELECT string_agg(format('SELECT %L || t::text FROM %s AS t', relname || ' ', "
		. "oid::regclass), ' UNION ALL ') FROM pg_class WHERE relnamespace = 'falukeys'::regnamespace "
		. "AND relkind = 'r' AND relname NOT LIKE 'key_usage%'");

	return query($node, "SELECT md5(string_agg(r, E'\\n' ORDER BY r)) FROM ($tables) AS s (r)");
}

sub verdicts
{
	my ($node, @keys) = @_;

	return query($node, 'SELECT code FROM unnest(ARRAY[' . join(', ', map { "'$_'" } @keys)
		. ']) WITH ORDINALITY AS k (key, n), falukeys.verify_key(k.key) ORDER BY n');
}

# What a workspace does in a day, and a reveal that a crash must not undo
sub all_is_well
{
	my ($node, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $workspace = new_workspace($node, $name);
	my ($id, $key) = split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')"));
	my $sealed = new_sealed($node, $workspace, 'live');
	my $revealed = query($node, "BEGIN; SELECT falukeys.reveal_key('$sealed'); ROLLBACK");

	like($revealed, $key_in_output, "$name: a secret is revealed");
	$node->stop('immediate');
	$node->start;
	refused($node, "SELECT falukeys.reveal_key('$sealed')", '55000', qr/has been revealed/, "$name: once");
	is_code($node, $revealed, 'valid', "$name: it is valid");
	my (undef, $rolled) = split(/\|/, query($node, "SELECT * FROM falukeys.roll_key('$id', '1 hour')"));
	query($node, "SELECT falukeys.restrict_key('$id', networks => '{10.0.0.0/8}')");
	query($node, "SELECT falukeys.revoke_key('$sealed')");
	is(verdicts($node, $key, $rolled, $revealed), "network_denied\nnetwork_denied\nrevoked",
		"$name: roll, restrict, revoke");
	return;
}

# The disk is full: no table can become longer.

my $node = with_faults(new_server('full', conf => "restart_after_crash = off\n"));
my $workspace = new_workspace($node, 'Full');
query($node, "SELECT falukeys.define_permission('messages')");
query($node, "CREATE TABLE made AS SELECT k.* FROM generate_series(1, 300) AS i, "
	. "falukeys.create_key('$workspace', 'secret', 'live', 'key ' || i) AS k");
query($node, "CREATE TABLE waiting AS SELECT falukeys.create_workspace('Waiting ' || i) AS id "
	. 'FROM generate_series(1, 200) AS i');
my @keys = split(/\n/, query($node, 'SELECT key FROM made ORDER BY id LIMIT 5'));
my $before = everything($node);

my %change = (
	'creating keys' => "SELECT count(k) FROM generate_series(1, 400) AS i, "
		. "falukeys.create_key('$workspace', 'secret', 'live', 'key ' || i, '{messages}') AS k",
	'sealing keys' => "SELECT count(k) FROM generate_series(1, 400) AS i, "
		. "falukeys.create_key('$workspace', 'secret', 'live', 'key ' || i, reveal => false) AS k",
	'importing keys' => "SELECT count(falukeys.import_key('$workspace', 'fskt_' || md5(i::text))) "
		. 'FROM generate_series(1, 400) AS i',
	'minting keys' => "SELECT count(k) FROM generate_series(1, 400) AS i, "
		. "falukeys.create_temporary_key('$workspace', 'test', ARRAY['chat-' || i]) AS k",
	'rolling keys' => "SELECT count(falukeys.roll_key(id, '1 hour')) FROM made",
	'reporting keys' => 'SELECT count(falukeys.report_compromised_key(key)) FROM made',
	'restricting keys' => "SELECT count(falukeys.restrict_key(id, '{messages}', '{10.0.0.0/8,::/0}')) FROM made",
	'revoking keys' => "SELECT count(falukeys.revoke_key(id, repeat('gone ', 100))) FROM made",
	'approving workspaces' => 'SELECT count(falukeys.approve_workspace(id)) FROM waiting',
	'creating workspaces' => "SELECT count(falukeys.create_workspace('Workspace ' || i)) "
		. 'FROM generate_series(1, 300) AS i');

foreach my $name (sort keys %change)
{
	set_faults("write /base/ $ENOSPC");
	refused($node, $change{$name}, '53100', qr/No space left on device/, "$name where the disk is full");
	is(verdicts($node, @keys), join("\n", ('valid') x @keys), "$name: keys are valid as before");
	set_faults();
	is(everything($node), $before, "$name: and nothing has changed");
}

# With room again, all of it works. The later ones are of keys that the earlier ones left.
foreach my $name (sort { ($a =~ /revoking/) <=> ($b =~ /revoking/) || $a cmp $b } keys %change)
{
	is((attempt($node, $change{$name}))[0], '00000', "$name works with room again");
}
is(verdicts($node, @keys), join("\n", ('compromised') x @keys), 'and is what holds');

# The disk with the WAL is full, which no server survives: no secret leaves it before its mark is on disk.

my $sealed = new_sealed($node, $workspace, 'live');
query($node, 'CHECKPOINT');
set_faults("write /pg_wal/ $ENOSPC");
my (undef, $output) = $node->psql('postgres', "SELECT falukeys.reveal_key('$sealed')");
unlike($output // '', $key_in_output, 'where the mark cannot be written, the secret is not shown');
foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last unless -e $node->data_dir . '/postmaster.pid';
	sleep(0.1);
}
$node->_update_pid(0);
set_faults();
start_with_faults($node);
my ($sqlstate, $messages, $revealed) = attempt($node, "BEGIN; SELECT falukeys.reveal_key('$sealed'); ROLLBACK");
ok($revealed =~ $key_in_output || ($sqlstate eq '55000' && $messages =~ /has been revealed/),
	'after that it is shown, or counts as revealed') or diag $messages;
refused($node, "SELECT falukeys.reveal_key('$sealed')", '55000', qr/has been revealed/, 'and is not shown again');
is(verdicts($node, @keys), join("\n", ('compromised') x @keys), 'all that was committed holds');
$node->stop;

# The master key cannot be written: where the disk is full, fails, or is read-only.

mkdir("$directory/keys", 0700) or die;
$node = with_faults(new_server('keyless', conf => "fsync = on\n"
	. "falukeys.master_key_file = '$directory/keys/master'\n"));
$before = everything($node);
foreach my $case (
	[ 'a full disk', "write /keys/ $ENOSPC", 'No space left on device' ],
	[ 'a disk that fails', "sync /keys/ $EIO", 'Input.output error' ],
	[ 'a read-only file system', "link /keys/ $EROFS", 'Read-only file system' ])
{
	my ($name, $fault, $reason) = @$case;

	set_faults($fault);
	refused($node, "SELECT falukeys.create_workspace('Keyless')", '55000',
		qr/could not (write|make) master key file "\Q$directory\E.*$reason.*HINT: /s, "no master key on $name");
	is(join(' ', glob("$directory/keys/*")), '', "$name: nothing is left of it");
	is(everything($node), $before, "$name: nor of what needed it");
}
chmod(0500, "$directory/keys") or die;
set_faults();
refused($node, "SELECT falukeys.create_workspace('Keyless')", '55000',
	qr/could not write master key file.*Permission denied.*HINT: /s,
	'no master key where the directory is not to be written');
chmod(0700, "$directory/keys") or die;

set_faults("sync /keys\$ $EIO");
refused($node, "SELECT falukeys.create_workspace('Keyless')", '55000',
	qr/could not make master key file .* durable.*HINT: /s, 'a directory that cannot be made durable');
set_faults();
my $new_id = query($node, "SELECT falukeys.create_workspace('With a key')");
like(query($node, "SELECT falukeys.reveal_key(id) FROM falukeys.keys WHERE kind = 'secret'"), $key_in_output,
	'with room again there is one, and what is sealed opens');

my $master_key = slurp_file("$directory/keys/master");
set_faults("write /keys/ $ENOSPC");
refused($node, 'SELECT falukeys.rotate_master_key()', '55000',
	qr/could not write master key file.*No space left.*HINT: /s, 'no rotation on a full disk');
is(slurp_file("$directory/keys/master"), $master_key, 'and the old key stays');
set_faults();
$node->stop;

# What was counted cannot be kept over a restart: a log line, and counting begins anew.

$node = counting_server('uncounted', "falukeys.usage_flush_interval = '1h'\nmax_prepared_transactions = 2\n");
$workspace = new_workspace($node, 'Uncounted');
my ($id, $key) = new_key($node, $workspace);
query($node, "BEGIN; LOCK TABLE falukeys.key_usage; PREPARE TRANSACTION 'holds'");
with_faults($node);
verify($node, $key, 5);
$node->stop;
start_with_faults($node);
verify($node, $key, 2);
set_faults("write /pg_stat/ $ENOSPC");
$node->stop;
like(slurp_file($node->logfile), qr/could not write file "pg_stat\/falukeys.usage.tmp": No space left/,
	'counts that cannot be kept are missed');
set_faults();
start_with_faults($node);
query($node, "COMMIT PREPARED 'holds'");
is_code($node, $key, 'valid', 'and the server starts without them');
like(counted($node, $id), qr/^[16]\|0$/, 'with what was kept before, or none');

# Nor can they be flushed where the disk is full, until it has room.
query($node, "CREATE TABLE made AS SELECT k.* FROM generate_series(1, 400) AS i, "
	. "falukeys.create_key('$workspace', 'secret', 'test', 'key ' || i) AS k");
set_faults("write /base/ $ENOSPC");
is(query($node, 'SELECT count(*) FROM made, falukeys.verify_key(made.key) AS v WHERE v.valid'), 400,
	'keys are verified where the disk is full');
configure($node, 'falukeys.usage_flush_interval' => '50ms');
$node->wait_for_log(qr/falukeys usage worker: ERROR:  could not extend file/);
is(query($node, 'SELECT sum(uses) FROM falukeys.usage JOIN made ON made.id = key_id'), 400, 'and counted');
set_faults();
$node->poll_query_until('postgres', 'SELECT sum(uses) >= 400 FROM falukeys.key_usage JOIN made ON made.id = key_id')
  or die 'nothing was flushed';
is(query($node, 'SELECT sum(uses) FROM falukeys.usage JOIN made ON made.id = key_id'), 400,
	'and flushed once, when there is room again');
$node->stop;

# Servers that are set up as few are

$node = new_server('minimal', conf => "wal_level = minimal\nmax_wal_senders = 0\n"
	. "shared_preload_libraries = 'falukeys'\nfalukeys.max_standby_lag = '3s'\n");
all_is_well($node, 'wal_level minimal');
query($node, 'CREATE DATABASE at_once');
my $at_once = query($node, "BEGIN; CREATE EXTENSION falukeys; SELECT falukeys.create_workspace('At once') AS w \\gset\n"
	. "SELECT falukeys.approve_workspace(:'w');\n"
	. "SELECT falukeys.reveal_key(id) FROM falukeys.keys WHERE kind = 'secret' AND mode = 'live'; COMMIT", 'at_once');
$node->stop('immediate');
$node->start;
refused($node, "SELECT falukeys.reveal_key(id) FROM falukeys.keys WHERE kind = 'secret' AND mode = 'live'", '55000',
	qr/has been revealed/, 'wal_level minimal: also in the transaction that made the table', 'at_once');
$node->stop;

$node = new_server('checksums', init => { extra => [ '-E', 'UTF8', '--locale', 'C', '--data-checksums' ] });
all_is_well($node, 'data checksums');
$node->stop;
command_ok([ 'pg_checksums', '--check', '-D', $node->data_dir ], 'data checksums: they are right');

$node = new_server('serializable', conf => "default_transaction_isolation = 'serializable'\n"
	. "shared_preload_libraries = 'falukeys'\n");
all_is_well($node, 'serializable');
$node->stop;

# Few locks and few connections

$node = new_server('few', conf => "max_locks_per_transaction = 10\nmax_connections = 8\n"
	. "superuser_reserved_connections = 1\nmax_wal_senders = 0\nautovacuum_max_workers = 1\nmax_worker_processes = 4\n"
	. "shared_preload_libraries = 'falukeys'\n");
all_is_well($node, 'few locks');
$workspace = new_workspace($node, 'Few');
query($node, "CREATE TABLE made AS SELECT k.* FROM generate_series(1, 2000) AS i, "
	. "falukeys.create_key('$workspace', 'secret', 'test', 'key ' || i) AS k");
is(query($node, 'SELECT count(*) FROM made, falukeys.verify_key(made.key) AS v WHERE v.valid'), 2000,
	'few locks: 2,000 keys are made by one statement');
is(query($node, 'SELECT count(falukeys.roll_key(id)) FROM made'), 2000, 'few locks: and rolled');
is(query($node, 'SELECT count(falukeys.revoke_key(id)) FROM (SELECT id FROM made ORDER BY id OFFSET 1000) AS s'), 1000,
	'few locks: and revoked');
$before = everything($node);
query($node, 'CREATE TABLE valid AS SELECT falukeys.reveal_key(id) AS key '
	. 'FROM (SELECT id FROM made ORDER BY id LIMIT 1000) AS s');
refused($node, 'SELECT count(falukeys.authenticate(key)) FROM valid', '53200',
	qr/out of shared memory.*HINT: .*max_locks_per_transaction/s, 'few locks: 1,000 identities in one transaction');
is(query($node, 'SELECT count(*) FROM valid, falukeys.verify_key(valid.key) AS v WHERE v.valid'), 1000,
	'few locks: and after that they are valid');

# Another session has taken all locks that there are, so that no one can connect.
my ($one) = split(/\n/, query($node, 'SELECT key FROM valid'));
my $verify = "SELECT code FROM falukeys.verify_key('$one')";
my $other = session($node);
is($other->query_safe($verify), 'valid', 'a session that is there before');
my $taker = session($node);
$taker->query_safe('BEGIN');
$taker->query_safe('SAVEPOINT s');
my $from = 0;
foreach my $many (1000, 300, 100, 30, 10, 3, (1) x 10)
{
	$from += 1000;
	($sqlstate) = session_attempt($taker,
		"SELECT count(pg_advisory_xact_lock($from, i)) FROM generate_series(1, $many) AS i");
	$taker->query_safe($sqlstate eq '00000' ? 'SAVEPOINT s' : 'ROLLBACK TO SAVEPOINT s');
}
is($other->query_safe($verify), 'valid', 'no locks left: keys are verified');
($sqlstate, $messages) = session_attempt($other, "SELECT falukeys.create_key('$workspace', 'secret', 'test')");
ok($sqlstate eq '00000' || ($sqlstate eq '53200' && $messages =~ /max_locks_per_transaction/),
	'no locks left: what fails says so') or diag $messages;
$taker->query_safe('ROLLBACK');
$_->quit foreach ($taker, $other);
is((attempt($node, "SELECT id FROM falukeys.create_key('$workspace', 'secret', 'test')"))[0], '00000',
	'no locks left: it goes on after that');

my @sessions = map { session($node) } 1 .. 6;
is($sessions[0]->query_safe($verify), 'valid',
	'few connections: keys are verified');
$_->quit foreach @sessions;
$node->stop;
ok(slurp_file($node->logfile) !~ /PANIC|TRAP:|was terminated by signal/, 'nothing crashed');

done_testing();
