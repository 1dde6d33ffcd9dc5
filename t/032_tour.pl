# The tour of make demo does what it says, and what checks it finds what is wrong.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FalukeysTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $demo = "$FindBin::Bin/../demo";
my $tour = slurp_file("$demo/tour.sql");
my $node = new_server('tour', empty => 1, conf => "shared_preload_libraries = 'falukeys'\n");
my $databases = 0;

# Plays a tour in a new database. Answers whether it passed, and what was shown.
sub play
{
	my ($text) = @_;
	my ($output, $database) = ('', 'tour' . ++$databases);

	query($node, "CREATE DATABASE $database");
	my $passed = IPC::Run::run(
		[ 'psql', qw(-X -q -a -P pager=off -v VERBOSITY=verbose -v SHOW_CONTEXT=never), '-d',
			$node->connstr($database) ],
		'<', \$text, '2>&1', '|', [ 'awk', '-f', "$demo/check.awk" ], '>', \$output);
	return ($passed, $output);
}

my ($passed, $output) = play($tour);
ok($passed, 'the tour is true') or diag $output;
unlike($output, qr/^-->|NOT SO/m, 'its claims are not shown');
is((grep { length > 100 } split(/\n/, $output)), 0, 'no line is wider than 100 columns');
cmp_ok(scalar(my @lines = split(/\n/, $output)), '<=', 200, 'it is read in two minutes');

my $end = "\n-- End of the tour.\n";
my %wrong = (
	'a false result' => [ "SELECT 1 AS one;\n--> 2\n$end", qr/no "2" here/ ],
	'an error of another sort' => [ "SELECT 1 / 0;\n--> refused with 42501\n$end", qr/refused with 22012/ ],
	'no error where one is due' => [ "SELECT 1;\n--> refused with 42501\n$end", qr/refused with nothing/ ],
	'an error that is not announced' => [ "SELECT 1;\n--> 1\nSELECT 1 / 0;\n$end", qr/does not speak of: 22012/ ],
	'a tour that breaks off' => [ "SELECT 1;\n--> 1\n", qr/broke off/ ],
	'a tour that claims nothing' => [ "SELECT 1;\n$end", qr/claimed nothing/ ],
	'a wide line' => [ "SELECT repeat('x', 120) AS wide;\nSELECT 1;\n--> 1\n$end", qr/a line of 122 columns/ ],
	'a long tour' => [ "SELECT generate_series(1, 200);\nSELECT 1;\n--> 1\n$end", qr/a tour of \d+ lines/ ]);
foreach my $name (sort keys %wrong)
{
	my ($text, $pattern) = @{ $wrong{$name} };

	($passed, $output) = play($text);
	ok(!$passed && $output =~ /^NOT SO: .*$pattern/m, "$name fails") or diag $output;
}
$node->stop;
done_testing();
