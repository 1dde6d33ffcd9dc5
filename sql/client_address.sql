--
-- The client's address, from what a proxy sends
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
\set VERBOSITY terse

-- One element
SELECT header, falukeys.client_address(header) FROM unnest(ARRAY[
	-- X-Forwarded-For
	'192.0.2.1', ' 192.0.2.1 ', E'\t192.0.2.1', '192.0.2.1:4711', '2001:db8::1', '[2001:db8::1]', '[2001:db8::1]:4711',
		'2001:DB8:0::1', '::', '::1',
	'::ffff:192.0.2.1', '[::ffff:192.0.2.1]:80', 'fe80::1%eth0', '[fe80::1%eth0]:80', '[fe80::1%25eth0]', '"192.0.2.1"',
	'"[2001:db8::1]:4711"', '0.0.0.0', '255.255.255.255',
	'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fe80::1%' || repeat('z', 100),
	-- Forwarded
	'for=192.0.2.1', 'For=192.0.2.1', 'for="192.0.2.1"', 'for="192.0.2.1:4711"', 'for="[2001:db8::1]"',
		'for="[2001:db8::1]:4711"', 'for="[2001:db8:cafe::17]:_hidden"',
	'for=192.0.2.1;proto=https;by=203.0.113.1', 'proto=https;for=192.0.2.1',
	'by="[::2]:1"; host="a,b;for=10.0.0.1"; for=192.0.2.1 ; proto=http', 'for=192.0.2.1;',
	'for="\1\9\2.0.2.1"', 'host="\"";for=192.0.2.1', 'host="\\";for=192.0.2.1',
	'fOr=192.0.2.1 ; ext="x"']) WITH ORDINALITY AS h (header, n) ORDER BY n;

-- No address
SELECT header, falukeys.client_address(header) FROM unnest(ARRAY[
	'', ' ', ',', 'unknown', '_hidden', 'localhost', 'example.com', '192.0.2', '192.0.2.1.1', '192.0.2.256',
	'192.0.2.01', '192.0.2.1/24', '192.0.2.1/32', '2001:db8::/32', '0x7f000001', '3221225985',
	'192.0.2.1:', '192.0.2.1:port', '192.0.2.1:123456', '192.0.2.1:80:80', '192.0.2.1%eth0', '[192.0.2.1]',
	'[192.0.2.1]:80', '[2001:db8::1', '2001:db8::1]', '[2001:db8::1]x', '[2001:db8::1]:', '[]', '[', ']', '[]:80',
	'[[2001:db8::1]]', 'fe80::1%', ':::', '1::2::3', '12345::', '192.0.2.1 192.0.2.2', '192.0.2.1;', '"192.0.2.1',
	'192.0.2.1"', '""', '"', '\', '\192.0.2.1"', E'192.0.2.1\n', E'192.0.2.1\r\nX: y',
	'fe80::1%' || repeat('z', 200),
	'for=', 'for=""', 'for =192.0.2.1', 'for= 192.0.2.1', 'for', 'for=unknown', 'for=_hidden', 'for="_a,b"',
	'proto=https', 'by=192.0.2.1', 'xfor=192.0.2.1', 'for=192.0.2.1;for=192.0.2.1', 'for=192.0.2.1;for=192.0.2.2',
	'for="192.0.2.1', 'for=192.0.2.1"', 'for="192.0.2.1"x',
	'for="192.0.2.1\"', 'for=192.0.2.1 proto=https', 'for=192.0.2.1;proto', '=192.0.2.1', 'for==192.0.2.1',
	'for=192.0.2.1=', ';', ';;=']) WITH ORDINALITY AS h (header, n)
	WHERE falukeys.client_address(header) IS NOT NULL ORDER BY n;
SELECT falukeys.client_address(NULL) AS no_header, falukeys.client_address('192.0.2.1', NULL) AS no_hops;

-- Counted from the right. An empty element is one: a proxy that says nothing knows nothing.
SELECT header, falukeys.client_address(header, 1) AS one, falukeys.client_address(header, 2) AS two,
	falukeys.client_address(header, 3) AS three, falukeys.client_address(header, 4) AS four
FROM unnest(ARRAY[
	'10.0.0.3, 10.0.0.2, 10.0.0.1', '10.0.0.3,10.0.0.2,10.0.0.1', '10.0.0.3 ,	10.0.0.2 ,10.0.0.1',
	', 10.0.0.2, 10.0.0.1', '10.0.0.2, , 10.0.0.1', '10.0.0.2, 10.0.0.1,', ',,,',
	'for=10.0.0.3, for=10.0.0.2;proto=http, for=10.0.0.1', 'for="10.0.0.3,x", for="[::2]:80";by=_a, for="10.0.0.1"',
	'for=10.0.0.3, for=_hidden, for="_a,b;c=\"d, e\"", for=10.0.0.1',
	'10.0.0.3, for=10.0.0.2, 10.0.0.1', 'unknown, 10.0.0.2, x', '10.0.0.3", 10.0.0.2, 10.0.0.1',
	'"10.0.0.3, 10.0.0.2", 10.0.0.1', 'for=10.0.0.3, for=", for=10.0.0.2, for="[::1]"',
	'\", for="[::2]", for="[::1]"']) WITH ORDINALITY AS h (header, n) ORDER BY n;
SELECT hops, falukeys.client_address('10.0.0.2, 10.0.0.1', hops)
	FROM unnest('{0,-1,-2147483648,2147483647,1,2,3}'::integer[]) AS hops;

-- A single address, of the family that it was written in
SELECT a, family(a), masklen(a), a = inet '::ffff:192.0.2.1' AS as_written
	FROM falukeys.client_address('::ffff:192.0.2.1') AS a;
SELECT bool_and(falukeys.client_address(host(a)) = a
	AND falukeys.client_address('[' || host(a) || ']:1') IS NOT DISTINCT FROM CASE family(a) WHEN 6 THEN a END
	AND falukeys.client_address('for="[' || host(a) || ']"') IS NOT DISTINCT FROM CASE family(a)
		WHEN 6 THEN a END) AS every_address
FROM generate_series(1, 1000) AS i, LATERAL (VALUES (inet '0.0.0.0' + i::bigint * 4294967),
	(inet '::' + i * 9223372036854775), (inet '2001:db8::' + i)) AS v (a);

-- Whatever it is given, it answers; and nothing that a client sends is in the way of what the proxies append.
CREATE TEMPORARY TABLE garbage AS
	SELECT translate(encode(sha256(i::text::bytea), 'hex'), '0123456789abcdef', pattern) AS header
	FROM generate_series(1, 1000) AS i, unnest(ARRAY['1:.[]%",;=_\ fo', '",\",\",=;"for\,', '12345678.,.,.:"=',
		'abcdef12:::::,[]', 'for=for=,,;;""\\']) AS pattern
	UNION ALL SELECT string_agg(chr(get_byte(sha256(i::text::bytea), n) % 255 + 1), '')
	FROM generate_series(1, 1000) AS i, generate_series(0, 31) AS n GROUP BY i;
SELECT count(*) AS headers, count(falukeys.client_address(header, hops)) > 0 AS some_addresses,
	bool_and(masklen(falukeys.client_address(header, hops)) IN (32, 128)) AS single
FROM garbage, generate_series(1, 5) AS hops;
SELECT count(*) AS differences FROM garbage,
	unnest(ARRAY['192.0.2.1', '[2001:db8::1]:80', '"[2001:db8::1]"', 'for="[2001:db8::1]:80"', 'for="a,\"b"',
		'host="a,b";for=192.0.2.1', '']) AS proxy,
	unnest(ARRAY[', 10.0.0.1', ',for="[::2]";by="a,b"']) AS next_proxy
WHERE falukeys.client_address(header || ',' || proxy) IS DISTINCT FROM falukeys.client_address(proxy)
	OR falukeys.client_address(header || ',' || proxy || next_proxy, 2) IS DISTINCT FROM falukeys.client_address(proxy);
SELECT count(falukeys.client_address(repeat(part, 1000000 / length(part)), hops)) AS addresses
FROM unnest(ARRAY['x', ',', '"', '\', '\"', '",', '\",', '[', ':', '%', ';', '=', 'for=', 'for=;', 'for=",', 'for="\",',
	' ', ' ,', '1.', '::', '192.0.2.1']) AS part, unnest('{1,2,1000,1000000,2147483647}'::integer[]) AS hops;
SELECT falukeys.client_address(repeat('"\,', 300000) || ', 192.0.2.1') AS last,
	falukeys.client_address('192.0.2.1' || repeat(',x', 300000), 300001) AS first;

-- For verifiers
CREATE ROLE regress_falukeys_nobody;
SET ROLE regress_falukeys_nobody;
SELECT falukeys.client_address('192.0.2.1');
RESET ROLE;
SELECT falukeys.grant_access('regress_falukeys_nobody', 'verifier');
SET ROLE regress_falukeys_nobody;
SELECT falukeys.client_address('192.0.2.1');
RESET ROLE;
DROP OWNED BY regress_falukeys_nobody;
DROP ROLE regress_falukeys_nobody;
