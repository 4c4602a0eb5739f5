MECHANISMS += socket_stream
SRC        += socket/stream.c
TESTS      += socket/test_socket.c
