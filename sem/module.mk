MECHANISMS += sem_textbook
SRC        += sem/textbook.c
MECHANISMS += sem_values sem_mailbox
SRC        += sem/values.c sem/mailbox.c sem/mailbox_join.c sem/mailbox_parts.c
TESTS      += sem/test_sem.c sem/test_sets.c
