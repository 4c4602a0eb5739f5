MECHANISMS += fifo_perclient
SRC        += fifo/perclient.c fifo/reply_fifo.c
TESTS      += fifo/test_fifo.c
