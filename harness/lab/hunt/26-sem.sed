# wrong: the semaphore turn begins as 0
# caught: conformance/an_empty_message_is_a_message
# because: deadlock: the first one waits for a turn that nobody has
/^open_mailbox/,/^}/s/i == TURN \? 1 : 0/0/
