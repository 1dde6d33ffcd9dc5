# Passes the tour's output on, and holds the tour to its word: a line
#
#     => CODE[, CODE]...[: WORDS]
#     => refused with SQLSTATE[: WORDS]
#
# says what the statements since the last such line must have shown: cells of
# the results, in this order, or that error.  An error that is not announced,
# and a tour that does not come to its end, are failures too.

function wrong(why) {
	print "NOT SO: " why
	failures++
}

# Cells are kept with a mark before and after each.
function keep_cells(line, cells, count, i) {
	count = split(line, cells, "|")
	for (i = 1; i <= count; i++) {
		gsub(/^ +| +$/, "", cells[i])
		seen = seen "|" cells[i] "|"
	}
}

/^LOCATION: / { next }

# Empty lines between the steps, but never two.
/^$/ {
	empty = 1
	next
}

{
	print (empty ? "\n" : "") $0
	empty = 0
	fflush()
}

/^(ERROR|FATAL|PANIC): / {
	if (error != "")
		wrong("an error that the tour does not speak of: " error)
	error = substr($2, 1, 5)
	in_rows = 0
}

/^-+(\+-+)*$/ { in_rows = 1; next }
/^\([0-9]+ rows?\)$/ { in_rows = 0 }
in_rows { keep_cells($0) }

/^=> / {
	claim = substr($0, 4)
	sub(/: .*/, "", claim)
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
	claims++
	empty = 1
	seen = error = ""
}

/^End of the tour\.$/ { ended = 1 }

END {
	if (error != "")
		wrong("an error that the tour does not speak of: " error)
	if (!ended)
		wrong("the tour broke off")
	if (claims == 0)
		wrong("the tour claimed nothing")
	exit failures > 0
}
