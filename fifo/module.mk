MECHANISMS += fifo_perclient fifo_oneway
SRC        += fifo/perclient.c fifo/oneway.c fifo/reply_fifo.c fifo/request_fifo.c
TESTS      += fifo/test_fifo.c
