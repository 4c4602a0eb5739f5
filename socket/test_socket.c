/* test_socket.c - what only sockets do. */
#include "test/test.h"

Suite *test_socket(void);

Suite *
test_socket(void)
{
    Suite *s = suite_create("socket");

    return s;
}
