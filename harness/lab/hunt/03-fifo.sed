# wrong: next() reads as much as there is, not as much as one record has
# caught: conformance/a_server_can_wait_in_poll
# because: wrong framing: two records that came together are taken for one
# told: 3 what one read\(2\) brings for one message
/block next:/,/end:/{
s/read\(s->requests, &r, PREFIX\) != PREFIX/read(s->requests, \&r, sizeof r) < (ssize_t)PREFIX/
/read\(s->requests, req->msg.buf/s/read\(.*/!memcpy(req->msg.buf, r.frame, r.length))/
}
