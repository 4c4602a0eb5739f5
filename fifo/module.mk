MECHANISMS += fifo_textbook fifo_perclient fifo_oneway
SRC        += $(filter-out fifo/demo.c fifo/test_%,$(wildcard fifo/*.c))
TESTS      += fifo/test_fifo.c fifo/test_perclient.c
