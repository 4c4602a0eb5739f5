# wrong: next() always begins to look at the first slot
# caught: crowd/who_floods_the_server_does_not_starve_the_others
# because: unfair: who has the first slot, and is quick, keeps the others waiting
# told: 9 does not look at its clients in turn
/block next:/,/end:/s/^    do$/    s->last = (unsigned)-1; do/
