MECHANISMS += sem_values sem_mailbox
SRC        += sem/sets.c sem/hall.c sem/hall_server.c sem/hall_client.c \
              sem/values.c sem/box.c sem/boxes.c sem/mailbox.c
TESTS      += sem/test_sem.c sem/test_hall.c
