MECHANISMS += pipe_coprocess pipe_packet
SRC        += pipe/coprocess.c pipe/packet.c
TESTS      += pipe/test_pipe.c
