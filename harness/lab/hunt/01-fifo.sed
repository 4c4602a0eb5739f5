# wrong: the client opens its FIFO for reading only
# caught: conformance/signals_do_not_disturb_calls
# because: end of file: the server closes its end after each answer, and no other write end is open
# told: 2 end of file.*client's half.*work_recv
/block open:/,/end:/s/open\(c->name, O_RDWR/open(c->name, O_RDONLY | O_NONBLOCK/
