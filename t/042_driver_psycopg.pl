# Python's psycopg: see t/drivers/psycopg_checks.py.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use DriverTest;
use Test::More;

run_driver_tests('psycopg', python_with('psycopg'), 'psycopg_checks.py');
done_testing();
