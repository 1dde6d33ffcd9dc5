# What names falukeys' version names the same one.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = "$FindBin::Bin/..";
my ($version) = slurp_file("$tree/falukeys.control") =~ /^default_version = '([0-9.]+)'$/m;

ok($version, 'falukeys.control has a version');
is_deeply([ slurp_file("$tree/META.json") =~ /^   "version": "(.*)",$|^         "version": "(.*)"$/mg ],
	[ $version, undef, undef, $version ], 'so has META.json, twice');
like(slurp_file("$tree/debian/changelog"), qr/\Afalukeys \(\Q$version\E(?:-\d+)?\) /, 'so has debian/changelog');
like(slurp_file("$tree/CHANGELOG.md"), qr/\A# Changelog\n\n## \Q$version\E\n/, 'so has CHANGELOG.md');
done_testing();
