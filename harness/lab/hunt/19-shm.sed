# wrong: the semaphores are made for the threads of one process
# caught: conformance/an_empty_message_is_a_message
# because: lost wake-up: with pshared 0 a post wakes nobody in another process
# told: 2 private to this process, the memory is shared.*pshared was 0
/block create:/,/end:/s/(sem_init\(.*), 1, 0\);/\1, 0, 0);/
