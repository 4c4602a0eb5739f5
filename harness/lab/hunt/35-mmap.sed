# wrong: the lock is not released
# caught: conformance/an_empty_message_is_a_message
# because: deadlock: F_OFD_SETLKW of the others waits for a lock whose holder keeps it while it waits for them
# told: 2 holds a lock
/^change/,/^}/{
/fcntl\(e->fd, F_OFD_SETLK, &lock\);/d
}
