# Clients that note what they ask of a server before they ask it, and what it
# acknowledged; and what must be so after a crash, by these notes.
#
# Each client has a workspace and keys of its own, so it knows what each of its
# statements changes. What was asked last may have been done or not when the
# server crashed, but as a whole; all else is as acknowledged.
package CrashJournal;

use strict;
use warnings;

use Exporter 'import';
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use WireClient;

our @EXPORT = qw(new_model choose ask apply run_client replay fingerprint facts_query texts_and_codes);

my $json = JSON::PP->new->canonical;

# What a client knows: its keys by their description, and what else it has made
sub new_model
{
	my ($number, $workspace) = @_;

	return { number => $number, workspace => $workspace, suspended => 0, events => {}, keys => {},
		workspaces => {}, rows => {}, made => 0 };
}

sub _new_key
{
	my ($model, $op, %more) = @_;
	my $key = { tag => $op->{tag}, id => undef, text => undef, past => [], disabled => 0, revoked => 0,
		permissions => $op->{permissions}, networks => $op->{networks}, seal => '', retired => 0, asked => 0,
		flushed => 0, events => { 'key.created' => 1 }, %more };

	$key->{$_} = $op->{$_} foreach qw(kind mode);
	$model->{keys}{ $op->{tag} } = $key;
	return $key;
}

sub _replace
{
	my ($key, $text, $old_code, $seal) = @_;

	$_->{code} //= 'rolled' foreach @{ $key->{past} };
	push @{ $key->{past} }, { text => $key->{text}, code => $old_code } if defined $key->{text};
	$key->{text} = $text;
	$key->{retired}++;
	$key->{seal} = $key->{kind} eq 'secret' ? $seal : '';
	return;
}

# What a secret of the key is answered, asked as the clients ask
sub _code
{
	my ($model, $key) = @_;

	return 'revoked' if $key->{revoked};
	return 'disabled' if $key->{disabled};
	return 'workspace_suspended' if $model->{suspended} && $key->{mode} eq 'live';
	return 'network_denied' if $key->{networks} && !grep { $_ eq '192.0.2.0/24' } @{ $key->{networks} };
	return 'secret_key_required' if $key->{kind} eq 'public';
	return 'permission_denied' if $key->{permissions} && !grep { $_ eq 'one' } @{ $key->{permissions} };
	return 'valid';
}

# [text, code] of each text of the key that is known
sub texts_and_codes
{
	my ($model, $key) = @_;
	my $code = _code($model, $key);

	return ((map { [ $_->{text}, $_->{code} // $code ] } @{ $key->{past} }),
		defined $key->{text} ? [ $key->{text}, $code ] : ());
}

sub _array { return $_[0] ? "'{" . join(',', @{ $_[0] }) . "}'" : 'NULL'; }

sub _live_secret { return $_[0]{kind} eq 'secret' && $_[0]{mode} eq 'live'; }

# Of each operation: whether a key is one for it; its SQL; and what it changes, by
# the row that it answered, of which nothing is known where no answer came.
# With "half", what else a crash may leave of it. Those that need no key have none.
my %operations = (
	create => {
		sql => sub {
			my ($model, $key, $op) = @_;
			return "SELECT * FROM falukeys.create_key('$model->{workspace}', '$op->{kind}', '$op->{mode}', "
			  . "'$op->{tag}', " . _array($op->{permissions}) . ', ' . _array($op->{networks})
			  . ", reveal => $op->{reveal})";
		},
		done => sub {
			my ($model, $key, $op, $row) = @_;
			_new_key($model, $op, id => $row->[0], text => $row->[1],
				seal => $op->{kind} eq 'public' ? ''
				: $op->{mode} eq 'live' && $op->{reveal} eq 'true' ? 'spent' : 'closed');
		}
	},
	import => {
		sql => sub {
			my ($model, $key, $op) = @_;
			return "SELECT falukeys.import_key('$model->{workspace}', '$op->{text}', '$op->{tag}', "
			  . _array($op->{permissions}) . ', ' . _array($op->{networks}) . ')';
		},
		done => sub {
			my ($model, $key, $op, $row) = @_;
			_new_key($model, $op, id => $row->[0], text => $op->{text}, events => { 'key.imported' => 1 });
		}
	},
	temporary => {
		sql => sub {
			my ($model, $key, $op) = @_;
			return 'WITH made AS MATERIALIZED (SELECT * FROM falukeys.create_temporary_key('
			  . "'$model->{workspace}', '$op->{mode}', '{object,$op->{tag}}', " . _array($op->{permissions}) . ', '
			  . _array($op->{networks}) . ')) SELECT id, key FROM made';
		},
		done => sub {
			my ($model, $key, $op, $row) = @_;
			_new_key($model, $op, id => $row->[0], text => $row->[1]);
		}
	},
	roll => {
		may => sub { !$_[0]{revoked} && $_[0]{kind} ne 'temporary' },
		sql => sub { "SELECT * FROM falukeys.roll_key('$_[1]{id}', '$_[2]{grace}', $_[2]{reveal})" },
		done => sub {
			my ($model, $key, $op, $row) = @_;
			_replace($key, $row->[1], $op->{grace} eq '0' ? 'rolled' : undef,
				$key->{mode} eq 'live' && $op->{reveal} eq 'true' ? 'spent' : 'closed');
			$key->{events}{'key.rolled'}++;
		}
	},
	report => {
		may => sub {
			my ($key, $model) = @_;
			return $key->{kind} eq 'secret' && defined $key->{text}
			  && _code($model, $key) !~ /^(revoked|disabled|workspace_suspended)$/;
		},
		sql => sub { "SELECT falukeys.report_compromised_key('$_[1]{text}')" },
		done => sub {
			my ($model, $key) = @_;
			_replace($key, undef, 'compromised', 'closed');
			$key->{events}{'key.compromised'}++;
		}
	},
	reveal => {
		may => sub { _live_secret($_[0]) && $_[0]{seal} eq 'closed' },
		sql => sub {
			my ($model, $key, $op) = @_;
			return $op->{undone} ? "BEGIN; SELECT falukeys.reveal_key('$key->{id}'); ROLLBACK"
			  : "SELECT falukeys.reveal_key('$key->{id}')";
		},
		done => sub {
			my ($model, $key, $op, $row) = @_;
			$key->{text} = $row->[0];
			$key->{seal} = 'spent';
			$key->{events}{'key.revealed'}++ unless $op->{undone};
		},
		# The mark does not wait for the transaction.
		half => sub { $_[1]{seal} = 'spent'; }
	},
	revoke => {
		may => sub { !$_[0]{revoked} },
		sql => sub { "SELECT falukeys.revoke_key('$_[1]{id}')" },
		done => sub { $_[1]{revoked} = 1; $_[1]{events}{'key.revoked'}++; }
	},
	disable => {
		may => sub { !$_[0]{disabled} },
		sql => sub { "SELECT falukeys.disable_key('$_[1]{id}')" },
		done => sub { $_[1]{disabled} = 1; $_[1]{events}{'key.disabled'}++; }
	},
	enable => {
		may => sub { $_[0]{disabled} && !$_[0]{revoked} },
		sql => sub { "SELECT falukeys.enable_key('$_[1]{id}')" },
		done => sub { $_[1]{disabled} = 0; $_[1]{events}{'key.enabled'}++; }
	},
	restrict => {
		may => sub { $_[0]{kind} eq 'secret' },
		sql => sub { "SELECT falukeys.restrict_key('$_[1]{id}', " . _array($_[2]{permissions}) . ', '
			  . _array($_[2]{networks}) . ')' },
		done => sub {
			my ($model, $key, $op) = @_;
			$key->{$_} = $op->{$_} // $key->{$_} foreach qw(permissions networks);
			$key->{events}{'key.restricted'}++;
		}
	},
	clear => {
		may => sub { $_[0]{permissions} && $_[0]{kind} ne 'temporary' },
		sql => sub { "SELECT falukeys.clear_permissions('$_[1]{id}')" },
		done => sub { $_[1]{permissions} = undef; $_[1]{events}{'key.restricted'}++; }
	},
	suspend => {
		sql => sub {
			my ($model) = @_;
			return 'SELECT falukeys.' . ($model->{suspended} ? 'resume' : 'suspend')
			  . "_workspace('$model->{workspace}')";
		},
		done => sub {
			my ($model) = @_;
			$model->{suspended} = !$model->{suspended} + 0;
			$model->{events}{ $model->{suspended} ? 'workspace.suspended' : 'workspace.resumed' }++;
		}
	},
	workspace => {
		sql => sub { "SELECT falukeys.create_workspace('$_[2]{tag}')" },
		done => sub { $_[0]{workspaces}{ $_[2]{tag} } = 1; }
	},
	# A row that the key's identity writes, in a table that is isolated
	write => {
		may => sub { defined $_[0]{text} && $_[0]{kind} eq 'secret' && _code($_[1], $_[0]) eq 'valid' },
		sql => sub {
			my ($model, $key, $op) = @_;
			return "BEGIN; SET LOCAL ROLE crash_backend; SELECT code FROM falukeys.authenticate('$key->{text}', 'one', "
			  . "'192.0.2.1', 'object'); INSERT INTO written (tag) VALUES ('$op->{tag}'); COMMIT";
		},
		done => sub { $_[0]{rows}{ $_[2]{tag} } = 1; }
	},
	verify => {
		may => sub { defined $_[0]{text} },
		sql => sub { "SELECT code FROM falukeys.verify_key('$_[1]{text}', 'one', '192.0.2.1', 'object')" },
		done => sub {
			my ($model, $key, $op, $row) = @_;
			my $code = _code($model, $key);
			$model->{wrong} = "$key->{tag} is $row->[0] and not $code" if $row && $row->[0] ne $code;
		}
	},
	flushed => {
		may => sub { $_[0]{asked} },
		sql => sub { "SELECT uses + denials FROM falukeys.key_usage WHERE key_id = '$_[1]{id}'" },
		done => sub { $_[1]{seen} = $_[3][0] if $_[3] && $_[3][0]; }
	},
	# A secret that other clients want too
	race => {
		sql => sub { "SELECT falukeys.reveal_key('$_[2]{id}')" },
		done => sub { }
	});

my @weighted = (('verify') x 8, ('create') x 3, ('roll') x 3, ('reveal') x 4, ('race') x 3, ('write') x 2,
	qw(import temporary report revoke disable enable enable restrict restrict clear suspend workspace flushed));

sub _one_of { return $_[ int(rand(@_)) ]; }

# What a client may ask next, of a key that it has or by an id of $shared; undef for none
sub choose
{
	my ($model, $shared) = @_;
	my $what = _one_of(@weighted);
	my $may = $operations{$what}{may};
	my %op = (what => $what, tag => sprintf('c%d n%d', $model->{number}, ++$model->{made}));

	if ($may)
	{
		# The latest ones, so that a long run is not about ever more keys
		my @keys = sort { $b->{id} cmp $a->{id} } grep { defined $_->{id} } values %{ $model->{keys} };
		my $key = _one_of(grep { $may->($_, $model) } @keys > 20 ? @keys[ 0 .. 19 ] : @keys) or return undef;

		$op{key} = $key->{tag};
		$op{grace} = _one_of('0', '1 hour');
		$op{undone} = _one_of(0, 1);
	}
	elsif ($what eq 'race')
	{
		$op{id} = _one_of(@$shared) // return undef;
	}
	$op{reveal} = _one_of('true', 'false');
	$op{mode} = _one_of('test', 'live');
	$op{kind} = $what eq 'temporary' ? 'temporary' : _one_of(qw(secret secret public));
	$op{text} = sprintf('f%sk%s_', substr($op{kind}, 0, 1), substr($op{mode}, 0, 1))
	  . join('', map { _one_of('a' .. 'z', 0 .. 9) } 1 .. 30);
	return \%op if $op{kind} eq 'public' && $what ne 'restrict';
	$op{permissions} = _one_of(undef, ['one'], [ 'one', 'two' ], ['two']);
	$op{networks} = _one_of(undef, ['192.0.2.0/24'], [ '192.0.2.0/24', '198.51.100.0/24' ], ['198.51.100.0/24']);
	return undef if $what eq 'restrict' && !$op{permissions} && !$op{networks};
	return \%op;
}

sub _count { $_[0]{asked}++ if $_[0] && $_[1]{what} =~ /^(verify|write)$/; return; }

sub ask
{
	my ($client, $model, $op) = @_;

	return $client->query($operations{ $op->{what} }{sql}->($model, $op->{key} && $model->{keys}{ $op->{key} }, $op));
}

# In a process of its own: asks until the server is gone, or the time is over.
sub run_client
{
	my ($node, $model, $shared, $file, $seconds) = @_;
	my $client = WireClient->new($node) or POSIX::_exit(1);
	my $until = time + $seconds;

	# One that notifies waits at its commit for the commit of another one that does.
	$client->query('SET falukeys.notify = off') if $model->{number} % 2;
	open(my $journal, '>>', $file) or POSIX::_exit(1);
	$journal->autoflush(1);
	while (time < $until)
	{
		my $op = choose($model, $shared) or next;

		print $journal $json->encode([ 'asked', $op ]), "\n";
		my $answer = ask($client, $model, $op);
		my $row = $answer->{rows}[0];
		my $lost = $answer->{lost} || ($answer->{error} && $answer->{error} =~ /^57P/);
		print $journal $json->encode([ $lost ? 'lost' : $answer->{error} ? 'refused' : 'done',
			$answer->{error} && !$lost ? [ $answer->{message} ] : $row ]), "\n";
		last if $lost;
		if ($answer->{error})
		{
			$client->query('ROLLBACK');
			next;
		}
		_count($model->{keys}{ $op->{key} // '' }, $op);
		apply($model, $op, $row);
	}
	POSIX::_exit(0);
}

sub _copy { return $json->decode($json->encode($_[0])); }

# Brings a model to what a journal tells. Answers the models of which one must be
# true now (more than one where an answer was missing), and {shown} with the
# answers of reveals, {races}, {unanswered}, {refused}, {touched} tags, {acknowledged}.
sub replay
{
	my ($model, $file) = @_;
	my %told = (shown => [], races => [], refused => [], touched => {}, acknowledged => {}, models => [$model]);
	my $op;

	foreach my $line (-e $file ? split(/\n/, slurp_file($file)) : ())
	{
		my ($what, $data) = @{ $json->decode($line) };

		if ($what eq 'asked')
		{
			$op = $data;
			($model->{made}) = $op->{tag} =~ /n(\d+)$/;
			_count($model->{keys}{ $op->{key} // '' }, $op);
			$told{touched}{ $op->{key} // $op->{tag} } = 1;
			next;
		}
		_note($model, \%told, $op, $what, $data);
		$op = undef unless $what eq 'lost';
	}
	if ($op)
	{
		my $after = _copy($model);

		$told{unanswered} = $op;
		apply($after, $op, $told{seen});
		push @{ $told{models} }, $after;
		if ($operations{ $op->{what} }{half})
		{
			my $half = _copy($model);

			$operations{ $op->{what} }{half}->($half, $half->{keys}{ $op->{key} });
			$half->{keys}{ $op->{key} }{text} = $told{seen}[0] if $told{seen};
			push @{ $told{models} }, $half;
			# What was shown is shown.
			shift @{ $told{models} } if $told{seen};
		}
	}
	return \%told;
}

# Brings a model to what one acknowledged operation has changed.
sub apply
{
	my ($model, $op, $row) = @_;

	$operations{ $op->{what} }{done}->($model, $op->{key} && $model->{keys}{ $op->{key} }, $op, $row);
	return if $op->{what} =~ /^(verify|flushed|race)$/;
	# A flush does not wait for the disk, but a commit after it takes it along.
	foreach my $key (grep { $_->{seen} } values %{ $model->{keys} })
	{
		$key->{flushed} = delete $key->{seen};
	}
	return;
}

# What one line after the question tells
sub _note
{
	my ($model, $told, $op, $what, $row) = @_;
	my $key = $model->{keys}{ $op->{key} // '' };
	my $live = $op->{what} eq 'race' || ($key || $op)->{mode} eq 'live';

	if ($what eq 'refused')
	{
		push @{ $told->{refused} }, "$op->{what}: $row->[0]"
		  unless $op->{what} eq 'race' && $row->[0] =~ /^55000: the secret of key .* has been revealed$/;
		return;
	}
	$told->{seen} = $row if $what eq 'lost';
	push @{ $told->{races} }, { id => $op->{id}, text => $row && $row->[0] } if $op->{what} eq 'race';
	# Whatever the client has seen in plaintext
	push @{ $told->{shown} }, $row->[ $op->{what} =~ /^(race|reveal)$/ ? 0 : 1 ]
	  if $row && $live && $op->{what} =~ /^(race|reveal|create|roll)$/;
	return if $what eq 'lost';
	$told->{acknowledged}{ $op->{what} }++;
	apply($model, $op, $row);
	return;
}

sub _events { return join(',', map { "$_:$_[0]{$_}" } sort keys %{ $_[0] }); }

# How a key is by the notes, in the words of facts_query
sub fingerprint
{
	my ($key) = @_;

	return join(' ', $key->{kind}, $key->{mode}, $key->{disabled} ? 'disabled' : 'enabled',
		$key->{revoked} ? 'revoked' : 'good', $key->{permissions} ? join(',', sort @{ $key->{permissions} }) : '-',
		$key->{networks} ? join(',', sort @{ $key->{networks} }) : '-', "seal:$key->{seal}", "retired:$key->{retired}",
		_events($key->{events}));
}

# A key's tag is its description; of a temporary one, the object beside "object".
sub facts_query
{
	my ($where) = @_;

	return <<SQL;
SELECT coalesce(k.description, o.tag) AS tag, k.id, concat_ws(' ', k.kind, k.mode,
	CASE WHEN k.disabled THEN 'disabled' ELSE 'enabled' END,
	CASE WHEN k.revoked_at IS NULL AND k.compromised_at IS NULL THEN 'good' ELSE 'revoked' END,
	CASE WHEN k.permissions_restricted THEN (SELECT string_agg(permission, ',' ORDER BY permission)
		FROM falukeys.key_permissions WHERE key_id = k.id) ELSE '-' END,
	CASE WHEN k.networks_restricted THEN (SELECT string_agg(network::text, ',' ORDER BY network)
		FROM falukeys.key_networks WHERE key_id = k.id) ELSE '-' END,
	'seal:' || coalesce((SELECT CASE get_byte(s.seal, 1) WHEN 1 THEN 'closed' ELSE 'spent' END
		FROM falukeys.sealed_secrets AS s WHERE s.secret OPERATOR(falukeys.=) k.secret), ''),
	'retired:' || (SELECT count(*) FROM falukeys.retired_secrets WHERE key_id = k.id),
	(SELECT string_agg(event || ':' || n, ',' ORDER BY event COLLATE "C")
		FROM (SELECT event, count(*) AS n FROM falukeys.events WHERE key_id = k.id GROUP BY event) AS e)),
	coalesce(u.uses + u.denials, 0), coalesce(f.uses + f.denials, 0)
FROM falukeys.keys AS k
	LEFT JOIN LATERAL (SELECT min(object_id) AS tag FROM falukeys.key_objects
		WHERE key_id = k.id AND object_id <> 'object' HAVING count(*) = 1) AS o ON true
	LEFT JOIN falukeys.usage AS u ON u.key_id = k.id
	LEFT JOIN falukeys.key_usage AS f ON f.key_id = k.id
WHERE $where
SQL
}

1;
