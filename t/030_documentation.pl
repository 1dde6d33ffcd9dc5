# Every code block of the README and of doc/ is run, and shows what it says.
# t/DocumentTest.pm has the conventions.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use DocumentTest;
use DriverTest;
use FalukeysTest;
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = "$FindBin::Bin/..";
my $directory = PostgreSQL::Test::Utils::tempdir();

# Programs that must not be run from here: make says what it would do, and
# packages have to be those that scripts/install-missing installs or that are
# the subject of the block.
mkdir "$directory/bin";
sub program
{
	my ($name, $text) = @_;

	append_to_file("$directory/bin/$name", "#!/bin/sh\n$text\n");
	chmod 0755, "$directory/bin/$name";
	return;
}
my ($make) = grep { -x $_ } map { "$_/make" } split(/:/, $ENV{PATH});
program('make', "exec $make -n -C '$tree' \"\$@\" >/dev/null");
program('apt-get', <<"SH");
[ "\$1" = install ] || exit 1
shift
for package; do
	case \$package in postgresql-1[5-9]) continue ;; esac
	name=\$(echo "\$package" | sed 's/-1[5-9]\$//')
	grep -q -- "\$name" '$tree/scripts/install-missing' || { echo "unknown package \$package"; exit 1; }
done
SH
# Whoever runs this may not give files away.
program('chown', 'exit 0');
$ENV{PATH} = "$directory/bin:$ENV{PATH}";

# Where a driver could not be had (see DriverTest.pm), its blocks are only parsed.
sub interpreter
{
	my ($block, $driver, $program, @parse) = @_;

	return "'$program'" if $program;
	die "driver $driver is not there" if defined $ENV{FALUKEYS_WITHOUT}
		&& " $ENV{FALUKEYS_WITHOUT} " !~ / \Q$driver\E /;
	$block->{parsed} = 1;
	note("SKIP a block in line $block->{line}: driver $driver cannot be had");
	return (grep { -x "$_/$parse[0]" } split(/:/, $ENV{PATH})) ? "@parse" : 'true';
}

my %programs = (
	sh => sub { 'sh -eu' },
	conf => sub { "sh -eu $directory/configure" },
	js => sub {
		my ($driver) = $_[0]->{text} =~ /^import .* from '(\w+)'/m;
		my $program = $driver ? node_with($driver) : (grep { -x $_ } map { "$_/node" } split(/:/, $ENV{PATH}))[0];

		return interpreter($_[0], $driver || 'pg', $program, qw(node --check));
	},
	python => sub { interpreter($_[0], 'psycopg', python_with('psycopg'), qw(python3 -m py_compile)) });
append_to_file("$directory/configure", <<'SH');
cp "$PGDATA/postgresql.conf" before
cat "$1" >>"$PGDATA/postgresql.conf"
if ! postgres -D "$PGDATA" -C port; then
	cp before "$PGDATA/postgresql.conf"
	exit 1
fi
pg_ctl -D "$PGDATA" -l restart.log -w -m fast restart
SH

sub problems_of
{
	my ($name, $document) = @_;
	my $node = new_server($name, empty => 1, conf => "max_prepared_transactions = 2\n");
	my @blocks = document_blocks($document);

	# Whoever runs this may neither write there nor give files away.
	foreach my $block (@blocks)
	{
		$block->{text} =~ s{/etc/falukeys}{$directory/etc_$name}g;
		$block->{text} =~ s/-o postgres -g postgres//;
	}
	my @problems = document_problems($node, \@blocks, \%programs, driver_directory());

	# Blocks of settings have restarted it.
	return (@problems, 'the server is not there any more') unless -e $node->data_dir . '/postmaster.pid';
	$node->_update_pid(1);
	$node->stop;
	return @problems;
}

# What is wrong in a document is found.
my @wrong = problems_of('wrong', <<'MD');
```sql
SELECT 1 AS one; --> 1
SELECT 1 / 0;    --> error 22012
\setenv ONE 'one'
```
```sql
SELECT 1; --> 2
```
```sql
SELECT 1 / 0;
```
```sql
SELECT 1; --> error 22012
```
```sql
DO $$BEGIN RAISE WARNING 'w'; END$$;
SELECT 2 AS two
```
```sql
\no_such_command
SELECT 2 AS two;
```
```text
 two 
-----
   2
```
```text
 three 
```
```sh
echo $ONE   #> one
false
```
```sh
echo two    #> three
```
```conf
work_mem = 'much'
```
```log
LOG:  There was never such a message.
```
```cobol
STOP RUN.
```
<!-- run sql
SELECT 1 / 0;
-->

    SELECT 1 / 0;

```
MD
my @found = map { (split(/\n/, $_))[0] } @wrong;
my @expected = (
	qr/^line 6, sql: no "2" here$/,
	qr/^line 9, sql: error 22012, of which nothing is said$/,
	qr/^line 12, sql: no "error 22012" here$/,
	qr/^line 15, sql: warning, of which nothing is said; it does not end with a statement$/,
	qr/^line 19, sql: error in psql: .*no_such_command/,
	qr/^line 28, text: not what was shown$/,
	qr/^line 31, sh: it failed: 1$/,
	qr/^line 35, sh: no "three" here$/,
	qr/^line 38, conf: it failed: 1$/,
	qr/^line 41, log: no message of the source/,
	qr/^line 44, cobol: unknown language "cobol"$/,
	qr/^line 47, sql: error 22012, of which nothing is said$/,
	qr/^line 51, code that is not fenced/,
	qr/^line 53, a block without an end: unknown language/);
is(scalar(@found), scalar(@expected), 'everything wrong is found, and nothing else') or diag join("\n", @wrong);
like($found[$_] // '', $expected[$_], "found: $expected[$_]") foreach 0 .. $#expected;

# Links between documents lead somewhere.
sub anchors_of
{
	my ($document) = @_;
	my %anchors;

	foreach my $heading ($document =~ /^#+ (.+)$/mg)
	{
		my $anchor = lc($heading =~ s/[^\w\- ]//gr);
		my $number = $anchors{$anchor =~ s/ /-/gr}++;

		$anchors{($anchor =~ s/ /-/gr) . "-$number"} = 1 if $number;
	}
	return \%anchors;
}
foreach my $file (glob("$tree/*.md $tree/doc/*.md"))
{
	my $document = slurp_file($file);
	my @dead;

	foreach my $link ($document =~ /\]\(([^)\s]+)\)/g)
	{
		my ($target, $anchor) = split(/#/, $link);
		my $path = $target ? dirname($file) . "/$target" : $file;

		next if $link =~ /^\w+:/;
		push @dead, $link unless -e $path && (!defined $anchor || anchors_of(slurp_file($path))->{$anchor});
	}
	is("@dead", '', basename($file) . ': every link leads somewhere');
}

# A server of its own for each document; DOCUMENTS="README jobs" runs these only
my $only = $ENV{DOCUMENTS} // '';

foreach my $file ("$tree/README.md", glob("$tree/doc/*.md"))
{
	my $name = basename($file, '.md');
	my $document = slurp_file($file);
	my $blocks = () = document_blocks($document);
	next unless $blocks && ($only eq '' || " $only " =~ / \Q$name\E /);

	is(join("\n", problems_of(lc $name, $document)), '', "$name: all of $blocks blocks do what they say");
}

done_testing();
