# wrong: the name of a client's FIFO has its pid only
# caught: crash/a_client_that_leaves_takes_everything_along
# because: the reply of another: two clients of one process have one FIFO
# told: 2 reply\(\) returned -EPIPE.*not where this client waits.*work_reply
/^reply_name/,/^}/{
s/%.80s.%u.%u/%.80s.%u/
s/, \(unsigned\)reply_to\);/);/
}
/block open:/,/end:/s/mkfifo\(c->name, 0600\) == -1/mkfifo(c->name, 0600) == -1 \&\& errno != EEXIST/
