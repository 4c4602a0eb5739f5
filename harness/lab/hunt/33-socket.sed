# wrong: the server always looks at the first connection first
# caught: crowd/who_floods_the_server_does_not_starve_the_others
# because: unfair: who connected first, and is quick, keeps the others waiting
/^take_one/,/^}/s/\(s->turn \+ n\)/n/
