# wrong: the pipes are not close-on-exec: the server inherits the client's ends, too
# caught: crash/a_spawned_server_is_a_child_of_its_client_and_ends_with_it
# because: unclosed ends: the server holds a write end of its own standard input, so it never reads the end of file
# told: 1 itself still has it.*close it after fork
/block open:/,/end:/s/pipe2\((.*), O_CLOEXEC\)/pipe2(\1, 0)/
