# Every way of pg_restore: by several jobs, in sections, data alone, over itself.
# Every row of every table is as it was, none is added, every key verifies as
# before, and sessions that are there see what was restored.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PlatformTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('restore', empty => 1);
my $directory = PostgreSQL::Test::Utils::tempdir();

make_roles($node);
query($node, 'CREATE DATABASE origin');
make_platform($node, 'origin');
run_for($node, 'pg_dump', '-Fc', '-f', "$directory/custom", 'origin');
run_for($node, 'pg_dump', '-Fd', '-j', '2', '-f', "$directory/directory", 'origin');
run_for($node, 'pg_dump', '-Fc', '--inserts', '-f', "$directory/inserts", 'origin');
run_for($node, 'pg_dump', '-Fc', '--rows-per-insert=7', '-f', "$directory/rows", 'origin');
run_for($node, 'pg_dump', '--clean', '--if-exists', '--column-inserts', '-f', "$directory/clean", 'origin');

sub restore
{
	my ($database, $dump, @options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	run_for($node, 'pg_restore', '-e', @options, '-d', $database, "$directory/$dump");
	return;
}

# With more than one job the order is any, which foreign keys refuse.
sub restore_by_jobs
{
	my @arguments = @_;
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	restore(@arguments, '-j', '4');
	return;
}

# A session that knows the database as it was
sub connect_before
{
	my ($database) = @_;
	my $session = session($node, $database);

	# Twice, for what the first one remembers
	ask($session) for (1, 2);
	return $session;
}

my ($asked, $answers) = some_verdicts();

sub ask
{
	my ($session) = @_;

	return join(' ', map { (session_attempt($session, "SELECT code FROM falukeys.verify_key('$_')"))[2] } @$asked);
}

sub check_session
{
	my ($session, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(ask($session), $answers, "$database: a session that was there before answers the same");
	$session->quit;
	return;
}

# Changes that a restore takes back
sub change
{
	my ($database) = @_;

	query($node, <<SQL, $database);
SELECT falukeys.suspend_workspace(id) FROM falukeys.workspaces WHERE state = 'approved';
SELECT falukeys.revoke_key(id) FROM falukeys.keys WHERE revoked_at IS NULL AND mode = 'test' AND kind = 'public';
SELECT falukeys.define_permission('later');
SQL
	return;
}

# Into an empty database

query($node, "CREATE DATABASE $_") foreach ('jobs_custom', 'jobs_directory', 'sections', 'inserts', 'rows');
restore_by_jobs('jobs_custom', 'custom');
restore_by_jobs('jobs_directory', 'directory');
restore('sections', 'custom', "--section=$_") foreach ('pre-data', 'data', 'post-data');
restore('inserts', 'inserts');
restore('rows', 'rows', '-1');
check_restored($node, $_) foreach ('jobs_custom', 'jobs_directory', 'sections', 'inserts', 'rows');

# Data alone, where the tables are and nothing in them

foreach my $database ('data', 'data_inserts', 'data_jobs', 'data_section_jobs', 'data_disabled')
{
	query($node, "CREATE DATABASE $database");
	restore($database, 'custom', '--schema-only');
	my $session = connect_before($database);
	if ($database eq 'data') { restore($database, 'custom', '--data-only'); }
	elsif ($database eq 'data_inserts') { restore($database, 'inserts', '--data-only', '-1'); }
	elsif ($database eq 'data_jobs') { restore_by_jobs($database, 'directory', '--data-only'); }
	elsif ($database eq 'data_section_jobs') { restore_by_jobs($database, 'custom', '--section=data'); }
	else { restore($database, 'custom', '--data-only', '--disable-triggers'); }
	check_session($session, $database);
	# What the installation has put there goes with the next change.
	query($node, 'UPDATE falukeys.mode_settings SET mode = mode', $database) if $database eq 'data_disabled';
	check_restored($node, $database);
}

# Over itself: what was changed since is gone, and so are live secrets that wait

foreach my $database ('over', 'over_jobs', 'over_script')
{
	query($node, "CREATE DATABASE $database");
	restore($database, 'custom');
	my $session = connect_before($database);
	change($database);
	isnt(ask($session), $answers, "$database: the session has seen the changes");
	if ($database eq 'over') { restore($database, 'custom', '--clean', '--if-exists', '-1'); }
	elsif ($database eq 'over_jobs') { restore_by_jobs($database, 'directory', '--clean', '--if-exists'); }
	else
	{
		run_for($node, 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $database, '-f',
			"$directory/clean");
	}
	check_session($session, $database);
	check_restored($node, $database);
	check_sealed($node, $database);
}

# Data over data is refused, and nothing has changed.

foreach my $options ('--data-only -1', '--data-only -1 --disable-triggers')
{
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;

	command_fails([ 'pg_restore', '-e', split(/ /, $options), '-d', 'over', "$directory/custom" ],
		"$options over data is refused");
	check_restored($node, 'over');
}

# None of them is a museum.
foreach my $database ('jobs_custom', 'data', 'data_jobs', 'over_jobs')
{
	check_sealed($node, $database);
	check_adopted($node, $database);
	check_goes_on($node, $database);
}
check_original();

$node->stop;
done_testing();
