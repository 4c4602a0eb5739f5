# wrong: the end of file is not noticed
# caught: crash/a_client_may_vanish_at_any_moment
# because: busy wait: at the end of file poll(2) returns at once, again and again, and the descriptor is never closed
/^gather/,/^}/s/if \(n <= 0\)/if (n < 0)/
