# No key reaches the log, in any of its formats and by any path, nor what the
# server shows of running and of past statements. The same paths leave every key
# where falukeys.redact_logs is off, so each of them is one.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FalukeysTest;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @letters = ('0' .. '9', 'A' .. 'Z', 'a' .. 'z');
my $scratch = PostgreSQL::Test::Utils::tempdir();
my $library_directory = `pg_config --pkglibdir`;
chomp $library_directory;
my $has_pgaudit = -e "$library_directory/pgaudit.so";

sub build
{
	my ($source, $name, @flags) = @_;
	my $compiler = `pg_config --cc`;
	chomp $compiler;
	my @include = map { ("-I$_") } split(/\s+/, `pg_config --includedir-server` . ' ' . `pg_config --includedir`);

	run_log([ split(' ', $compiler), '-shared', '-fPIC', '-D_GNU_SOURCE', @flags, @include, '-o', "$scratch/$name.so",
		"$FindBin::Bin/log_redaction/$source.c" ]) or die "cannot build $source";
	return "$scratch/$name.so";
}
my $before = build('recorder', 'before', '-DRECORD="recorded_before"');
my $after = build('recorder', 'after', '-DRECORD="recorded_after"');
my $syslog = build('syslog', 'syslog');

# A live secret made elsewhere; the path that it takes is remembered by its name.
my %path_of;

sub new_key
{
	my ($path) = @_;
	my $key = 'fskl_' . join('', map { $letters[ rand @letters ] } 1 .. 47);

	$path_of{$key} = $path;
	return $key;
}

# Runs SQL and goes on after errors, with settings.
sub run
{
	my ($node, $sql, $options, $database) = @_;
	local $ENV{PGOPTIONS} = $options || '';

	$node->psql($database || 'postgres', $sql, on_error_stop => 0);
	return;
}

# In the extended protocol, with the key as a parameter
sub run_bound
{
	my ($node, $mode, $key, $sql, $options) = @_;
	local %ENV = (%ENV, $node->_get_env(), PGOPTIONS => $options || '');

	open(my $file, '>', "$scratch/bound") or die $!;
	print $file $sql;
	close($file);
	run_command([ 'pgbench', '-n', '-t', '1', '-M', $mode, '-f', "$scratch/bound", '-D', "key=$key", 'postgres' ]);
	return;
}

# As many random bodies as a statement of 1 MB holds keys of
sub long_statement
{
	my ($keys) = @_;
	my $filler = 'x' x 950;

	return 'SELECT ' . join(', ', map { "'$_ $filler'" } @$keys) . ", 1/0\n";
}

my %paths = (
	'a literal in a failing statement' => sub { run($_[0], "SELECT '$_[1]'::integer") },
	'a syntax error' => sub { run($_[0], "SELEC '$_[1]'") },
	'a key without quotes' => sub { run($_[0], "SELECT $_[1] FROM pg_class") },
	'a name' => sub { run($_[0], "SELECT 1 AS \"$_[1]\"") },
	'a comment' => sub { run($_[0], "/* $_[1] */ SELECT 1") },
	'nothing but a comment' => sub { run($_[0], "/* $_[1] */;") },
	'log_statement' => sub { run($_[0], "SELECT '$_[1]'", '-c log_statement=all -c log_min_duration_statement=-1') },
	'log_min_duration_statement' => sub { run($_[0], "SELECT '$_[1]'", '-c log_statement=none') },
	'a bound parameter' => sub { run_bound($_[0], 'extended', $_[1], "SELECT :key::text;") },
	'a bound parameter of a prepared statement' => sub { run_bound($_[0], 'prepared', $_[1], "SELECT :key::text;") },
	'a bound parameter of a failing statement' =>
		sub { run_bound($_[0], 'extended', $_[1], "SELECT length(:key::text) / 0;", '-c log_statement=none') },
	'a bound parameter cut off' => sub {
		run_bound($_[0], 'extended', $_[1], "SELECT length(:key::text) / 0;",
			'-c log_parameter_max_length=24 -c log_parameter_max_length_on_error=24');
	},
	'COPY' => sub { run($_[0], "COPY number FROM STDIN;\n$_[1]\n\\.\n") },
	'COPY of a long line' => sub { run($_[0], "COPY number FROM STDIN;\n" . ('x' x 70) . "$_[1]\n\\.\n") },
	'a DO block' => sub { run($_[0], "DO \$\$ BEGIN PERFORM '$_[1]'::integer; END \$\$") },
	'the CONTEXT of nested functions' => sub { run($_[0], "SELECT outer_function('$_[1]')") },
	'a message of another extension' => sub { run($_[0], "DO \$\$ BEGIN RAISE LOG 'got %', '$_[1]'; END \$\$") },
	'a DETAIL and a HINT' => sub {
		run($_[0], "DO \$\$ BEGIN RAISE WARNING 'it' USING DETAIL = 'a $_[1]', HINT = 'b $_[1]'; END \$\$",
			'-c log_statement=none -c log_min_duration_statement=-1');
	},
	'a violated constraint' => sub { run($_[0], "INSERT INTO name VALUES ('$_[1]'), ('$_[1]')") },
	'JSON' => sub { run($_[0], "SELECT '{\"a\": \"$_[1]\", b: 1}'::json") },
	'an error in XML, which shows what is 80 columns before it' =>
		sub { run($_[0], "SELECT '<a>$_[1]" . (' y' x 20) . " & </a>'::xml") },
	'SET' => sub { run($_[0], "SET falukeys.acting_for = '$_[1]'") },
	'PREPARE and EXECUTE' => sub { run($_[0], "PREPARE p AS SELECT '$_[1]'::text; EXECUTE p;") },
	'COMMENT ON' => sub { run($_[0], "COMMENT ON TABLE number IS '$_[1]'") },
	'application_name' => sub { run($_[0], "SET application_name = '$_[1]'; SELECT 1/0") },
	'a role that is not there' => sub { run($_[0], "SET ROLE '$_[1]'") },
	'Basic, user and key' => sub { run($_[0], "SET request.headers = '{\"authorization\": \"Basic $_[2]\"}'") },
	'a bytea' => sub { run($_[0], "SELECT '\\x" . unpack('H*', $_[1]) . "'::bytea") },
	'a statement of an earlier line' => sub { run($_[0], "BEGIN; SELECT '$_[1]'; SELECT 1/0; ROLLBACK") },
	'LATIN1' => sub { run($_[0], "SET client_encoding = 'UTF8'; SELECT '\303\244 $_[1]'::integer", '', 'latin') },
	'bytes that are no text' => sub { run($_[0], "SELECT E'\\\\xff \377\376 $_[1] \377'::integer", '', 'bytes') },
	'a lock that is waited for' => \&wait_for_lock,
	'a deadlock' => \&deadlock,
	'a crash' => \&crash,
);
$paths{'pgaudit'} = sub { run($_[0], "SELECT '$_[1]'", "-c pgaudit.log=all -c log_statement=none") } if $has_pgaudit;

my @words = (':', 'a:', 'ab:');
$paths{"Basic, $_ bytes before it"} = do
{
	my $left = $words[$_];
	sub { run($_[0], "SELECT 'Basic " . encode_base64("$left$_[1]", '') . "'::integer") };
}
	foreach 0 .. 2;

sub begin
{
	my ($node) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_safe("SET deadlock_timeout = '10ms'; SET log_lock_waits = on; BEGIN");
	return $session;
}

# Waits until a session waits for a lock.
sub wait_until_locked
{
	my ($node, $count) = @_;

	$node->poll_query_until('postgres',
		"SELECT count(*) = $count FROM pg_stat_activity WHERE wait_event_type = 'Lock'") or die 'nobody waits';
	return;
}

sub wait_for_lock
{
	my ($node, $key) = @_;
	my ($holder, $waiter) = (begin($node), begin($node));

	$holder->query_safe('UPDATE account SET amount = 1 WHERE id = 1');
	$waiter->query_until(qr/^/, "UPDATE account SET amount = 2, note = '$key' WHERE id = 1;\n");
	wait_until_locked($node, 1);
	my $log = $node->data_dir . '/log';
	for (1 .. 600)
	{
		last if find_in_files(['still waiting for'], $log);
		select(undef, undef, undef, 0.1);
	}
	$holder->query_safe('COMMIT');
	$waiter->query('COMMIT');
	$_->quit foreach $holder, $waiter;
	return;
}

sub deadlock
{
	my ($node, $key) = @_;
	my ($one, $two) = (begin($node), begin($node));

	$one->query_safe("SET deadlock_timeout = '1h'; UPDATE account SET amount = 1 WHERE id = 1");
	$two->query_safe('UPDATE account SET amount = 1 WHERE id = 2');
	$one->query_until(qr/^/, "UPDATE account SET amount = 2, note = '$key' WHERE id = 2;\n");
	wait_until_locked($node, 1);
	$two->query('UPDATE account SET amount = 2 WHERE id = 1');
	$two->query('ROLLBACK');
	$one->query('ROLLBACK');
	$_->quit foreach $one, $two;
	return;
}

# A session that is killed: the server says what it was running, and starts anew.
sub crash
{
	my ($node, $key) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_until(qr/^/, "SELECT pg_sleep(600), '$key';\n");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(6%' AND wait_event = 'PgSleep'");
	my $pid = query($node, "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(6%'");
	kill 'KILL', $pid;
	eval { $session->quit };
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
	run($node, "SELECT '$key'::integer");
	return;
}

sub new_logging_server
{
	my ($name, $libraries, $redact) = @_;
	my $node;
	{
		# The server and all its processes
		local $ENV{LD_PRELOAD} = $ENV{LD_PRELOAD} ? "$syslog $ENV{LD_PRELOAD}" : $syslog;
		local $ENV{SYSLOG_FILE} = "$scratch/$name.syslog";
		$node = new_server($name, conf => <<CONF);
shared_preload_libraries = '$libraries'
falukeys.redact_logs = $redact
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog,syslog'
log_line_prefix = '%m [%p] %a '
log_statement = all
log_min_duration_statement = 0
log_min_error_statement = error
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_error_verbosity = verbose
restart_after_crash = on
auto_explain.log_min_duration = 0
auto_explain.log_verbose = on
auto_explain.log_nested_statements = on
pg_stat_statements.track = all
pg_stat_statements.track_planning = on
CONF
	}
	query($node, $_) foreach (
		'CREATE EXTENSION pg_stat_statements',
		'CREATE TABLE number (n integer)',
		'CREATE TABLE name (n text PRIMARY KEY)',
		'CREATE TABLE account AS SELECT id, 0 AS amount, NULL::text AS note FROM generate_series(1, 2) AS id',
		"CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'",
		"CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'",
		"CREATE FUNCTION inner_function(key text) RETURNS integer LANGUAGE plpgsql AS "
		  . "'BEGIN EXECUTE format(''SELECT %L::integer'', key); RETURN 1; END'",
		"CREATE FUNCTION outer_function(key text) RETURNS integer LANGUAGE plpgsql AS "
		  . "'BEGIN RETURN inner_function(key); END'");
	query($node, 'CREATE EXTENSION pgaudit') if $has_pgaudit;
	return $node;
}

# Lets each path be taken by a key of its own; answers the keys by path.
sub take_all
{
	my ($node) = @_;
	my %key_of;

	# The crash first, after which pg_stat_statements begins anew
	foreach my $path (sort { ($b eq 'a crash') <=> ($a eq 'a crash') || $a cmp $b } keys %paths)
	{
		my $key = $key_of{$path} = new_key($path);

		$paths{$path}->($node, $key, encode_base64("user:$key", ''));
	}
	return %key_of;
}

sub read_log
{
	my ($node, $suffix) = @_;

	return slurp_file("$scratch/" . $node->name . '.syslog') if $suffix eq 'syslog';
	return join('', map { slurp_file($_) } sort glob($node->data_dir . "/log/*.$suffix"));
}

my @libraries = ('pg_stat_statements', 'auto_explain', $has_pgaudit ? 'pgaudit' : ());
diag('SKIP: pgaudit is not installed here') unless $has_pgaudit;

# Off: a planted positive for each path, in each format, whole or in its encoding
my $off = new_logging_server('off', join(',', 'falukeys', @libraries), 'off');
my %planted = take_all($off);
$off->stop;
foreach my $suffix (qw(log csv json syslog))
{
	my $log = read_log($off, $suffix);

	# JSON and syslog write a backslash or a line in their own way.
	foreach my $path (sort keys %planted)
	{
		my $key = $planted{$path};
		my $patterns = join('|', map { quotemeta } substr($key, 0, 22), key_patterns($key));
		ok($log =~ /$patterns/, "off, $suffix: $path leaves the key");
	}
}
ok(find_in_files([ map { key_patterns($_) } $planted{'SET'} ], $off->data_dir . '/pg_stat'),
	'off: pg_stat_statements keeps a SET');

# On: with the other libraries before falukeys and behind it
foreach my $order ([ 'first', $after, 'falukeys', @libraries, $before ],
	[ 'last', $after, @libraries, 'falukeys', $before ])
{
	my ($name, @order) = @$order;
	my $node = new_logging_server($name, join(',', @order), 'on');
	my %key_of = take_all($node);
	my @used = values %key_of;

	# A long statement, and a session whose key is cut off by track_activity_query_size
	my @many = map { new_key('a long statement') } 1 .. 1000;
	run($node, long_statement(\@many));

	# Running, idle, after an error
	my %shown = (
		'running' => [ "SELECT pg_sleep(600), 'KEY'", "wait_event = 'PgSleep'" ],
		'idle' => [ "SELECT 'KEY'", "state = 'idle'" ],
		'after a syntax error' => [ "SELEC 'KEY'", "state = 'idle'" ],
		'a comment' => [ "/* KEY */;", "state = 'idle'" ],
		'cut off' => [ "SELECT '" . ('x' x 990) . "', 'KEY'", "state = 'idle'" ],
		'an error that is not logged' =>
			[ "SET log_min_messages = panic; SELECT 1/0, 'KEY'", "state = 'idle'" ],
	);
	foreach my $how (sort keys %shown)
	{
		my ($sql, $condition) = @{ $shown{$how} };
		my $key = new_key("shown, $how");
		my $session = $node->background_psql('postgres', on_error_stop => 0);
		my $pid = $session->query_safe('SELECT pg_backend_pid()');

		push @used, $key;
		$sql =~ s/KEY/$key/;
		$session->query_until(qr/^/, "$sql;\n");
		$node->poll_query_until('postgres', "SELECT query !~ 'pg_backend_pid' AND $condition "
			  . "FROM pg_stat_activity WHERE pid = $pid") or die "$how is not seen";
		my $query = query($node, "SELECT query FROM pg_stat_activity WHERE pid = $pid");
		my $start = substr($key, 0, 8);
		ok($query =~ /fskl_\*+|^(?!.*fskl)/s && $query !~ /$start/, "$name: pg_stat_activity shows no key: $how")
		  or diag($query);
		query($node, "SELECT pg_terminate_backend($pid)");
		eval { $session->quit };
	}

	# The name of the application, which anyone may see, within a transaction
	foreach my $sql ("SET application_name = 'KEY'", "SELECT set_config('application_name', 'KEY', false)")
	{
		my $key = new_key('the name of the application');
		my $session = $node->background_psql('postgres');
		my $pid = $session->query_safe('SET log_min_duration_statement = -1; SET log_statement = none; '
			  . 'SET auto_explain.log_min_duration = -1; SELECT pg_backend_pid()');

		push @used, $key;
		$session->query_safe('BEGIN');
		$session->query_safe($sql =~ s/KEY/$key/r);
		is(query($node, "SELECT application_name FROM pg_stat_activity WHERE pid = $pid"),
			'fskl_****' . substr($key, -4), "$name: pg_stat_activity shows no key: $sql");
		$session->quit;
	}

	# Of past statements
	my $statements = query($node, 'SELECT string_agg(query, chr(10)) FROM pg_stat_statements');
	ok($statements =~ /SET falukeys.acting_for = 'fskl_\*+\w{4}'/ && $statements =~ m{/\* fskl_\*+\w{4} \*/},
		"$name: pg_stat_statements has the statements")
	  or diag($statements);
	ok($statements !~ /fskl_\w/, "$name: pg_stat_statements has no key")
	  or diag(join("\n", grep { /fskl_\w/ } split(/\n/, $statements)));
	is(query($node, "SELECT falukeys.redact('x'), current_setting('falukeys.redact_logs')"), 'x|on', "$name: it is on");
	$node->stop;

	foreach my $suffix (qw(log csv json syslog))
	{
		my $log = read_log($node, $suffix);

		foreach my $path (sort keys %key_of)
		{
			my $last = substr($key_of{$path}, -4);
			my $masked = $path =~ /Basic/ ? qr/Basic \*\*\*\*/ : $path =~ /bytea/ ? qr/\\x\*\*\*\*/
				: $path =~ /cut off|long line/ ? qr/fskl_\*\*\*\*/ : qr/fskl_\*+\Q$last\E/;
			ok($log =~ $masked, "$name, $suffix: $path is seen, with its key masked");
		}
		my @in_log = grep { index($log, substr($_, 20, 15)) >= 0 } @used;
		is(join(', ', map { $path_of{$_} } @in_log), '', "$name, $suffix: no part of a key");
		unlike($log, qr/fskl_[0-9A-Za-z]/, "$name, $suffix: nothing behind a prefix");
		# syslog gets it in parts.
		my $shown = $suffix eq 'syslog' ? qr/\*\*\*\*\w{4}/ : qr/\*\*\*\*\w{4} x/;
		cmp_ok(scalar(() = $log =~ /$shown/g), '>=', $suffix eq 'syslog' ? 900 : 1000,
			"$name, $suffix: the long statement is there");
	}
	my @patterns = map { key_patterns($_) } @used, @many[ 0, 500, 999 ];
	is(join("\n", find_in_files(\@patterns, glob($node->data_dir . '/log'), "$scratch/$name.syslog",
		$node->data_dir . '/recorded_before', $node->data_dir . '/recorded_after', $node->data_dir . '/pg_stat')),
		'', "$name: no key in any file of the log, in what other hooks are shown, nor in pg_stat_statements' file");
	ok(-s $node->data_dir . "/recorded_$_", "$name: the hook $_ falukeys' own was called") foreach 'before', 'after';
}

done_testing();
