# Passes the tour's output on, without what says nothing, and holds the tour to
# its word: a line
#
#     --> CODE[, CODE]...
#     --> refused with SQLSTATE
#
# is not passed on. It says what the statements since the last such line must
# have shown: cells of the results, in this order, or that error.  An error that
# is not announced, a tour that does not come to its end, or one that is wider or
# longer than one reads in two minutes, are failures too.

BEGIN {
	columns = 100
	max_lines = 200
}

function wrong(why) {
	print "NOT SO: " why
	failures++
}

function show(line) {
	if (line == "" && (is_empty || !lines))
		return
	if (length(line) > columns)
		wrong("a line of " length(line) " columns")
	print line
	fflush()
	is_empty = line == ""
	lines++
}

# Messages may be longer than a line.
function show_message(line, at) {
	while (length(line) > columns) {
		for (at = columns; substr(line, at, 1) != " "; at--)
			;
		show(substr(line, 1, at - 1))
		line = "         " substr(line, at + 1)
	}
	show(line)
}

# Cells are kept with a mark before and after each.
function keep_cells(line, cells, count, i) {
	count = split(line, cells, "|")
	for (i = 1; i <= count; i++) {
		gsub(/^ +| +$/, "", cells[i])
		seen = seen "|" cells[i] "|"
	}
}

function check(claim, codes, count, i, at) {
	claims++
	if (claim ~ /^refused with /) {
		if (error != substr(claim, 14))
			wrong("refused with " (error == "" ? "nothing" : error))
	} else {
		if (error != "")
			wrong("an error: " error)
		count = split(claim, codes, ", ")
		for (i = 1; i <= count; i++) {
			at = index(seen, "|" codes[i] "|")
			if (at == 0) {
				wrong("no \"" codes[i] "\" here")
				break
			}
			seen = substr(seen, at + length(codes[i]) + 1)
		}
	}
	seen = error = ""
}

# The heading of a table is held back until it has something under it.
/^-+(\+-+)*$/ {
	separator = $0
	in_rows = 1
	next
}
in_rows && /^\([0-9]+ rows?\)$/ {
	if (!separator)
		show("")
	in_rows = 0
	heading = separator = ""
	next
}
in_rows {
	keep_cells($0)
	if (separator && /[^ ]/) {
		show(heading)
		show(separator)
		separator = ""
	}
	if (!separator)
		show($0)
	next
}

/^LOCATION: / || /^$/ { next }

/^--> / {
	check(substr($0, 5))
	next
}

# Comments begin a step.
/^-- / {
	show("")
	show($0)
	ended = /^-- End of the tour\.$/
	next
}

/^(ERROR|FATAL|PANIC): / {
	if (error != "")
		wrong("an error that the tour does not speak of: " error)
	error = substr($2, 1, 5)
}
/^(ERROR|FATAL|PANIC|WARNING|NOTICE|DETAIL|HINT): / {
	show_message($0)
	next
}

# No other line but the heading of a table begins with a space.
/^ / {
	heading = $0
	next
}

{ show($0) }

END {
	if (error != "")
		wrong("an error that the tour does not speak of: " error)
	if (!ended)
		wrong("the tour broke off")
	if (claims == 0)
		wrong("the tour claimed nothing")
	if (lines > max_lines)
		wrong("a tour of " lines " lines")
	exit failures > 0
}
