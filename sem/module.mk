MECHANISMS += sem_values sem_mailbox
SRC        += sem/values.c sem/box.c sem/boxes.c sem/mailbox.c
TESTS      += sem/test_sem.c sem/test_sets.c
