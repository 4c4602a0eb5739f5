# wrong: a new file is not made long enough
# caught: conformance/an_empty_message_is_a_message
# because: SIGBUS: the mapping has pages that the file does not have
# told: 2 BUS: a page of a mapping that its file does not have: ftruncate
/^map_file/,/^}/s/ftruncate\(e->fd, FILE_SIZE\) == 0/e->fd != -1/
