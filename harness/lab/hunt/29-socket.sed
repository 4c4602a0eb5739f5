# wrong: recv() takes one read(2) for a whole message
# caught: conformance/the_largest_message_passes_intact
# because: partial read: a stream is bytes, and a read(2) brings what has come until now
# told: 2 read\(2\) may return less.*client's half.*work_recv
/block recv:/,/end:/s/err = read_some\(c->fd, &c->in\);/{ if ((err = read_some(c->fd, \&c->in)) == 0) { got = frames_take(\&c->in, msg); return got == 1 ? 0 : -EBADMSG; } }/
