# wrong: the end of file is not noticed
# caught: crash/a_client_may_vanish_at_any_moment
# because: busy wait: at the end of file poll(2) returns at once, again and again, and the descriptor is never closed
# told: 6 (does not sleep, it looks again and again|next\(\) does not close what the end of file).*work_next
/block next:/,/end:/s/read_some\(s->fds\[i\].fd, &s->of\[i\].in\) != 0/read_some(s->fds[i].fd, \&s->of[i].in) == -ENOMEM/
