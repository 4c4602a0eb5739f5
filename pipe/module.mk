MECHANISMS += pipe_textbook pipe_coprocess pipe_packet
SRC        += pipe/textbook.c pipe/coprocess.c pipe/packet.c
TESTS      += pipe/test_pipe.c
