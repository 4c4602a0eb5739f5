# wrong: the client keeps the server's write end open
# caught: crash/a_killed_server_is_a_broken_pipe
# because: unclosed ends: while the client itself can write to the reply pipe, there is no end of file
# told: 1 descriptor [0-9]+ -> pipe.*was not closed
/block open:/,/return 0/{
/^    close\(replies\[1\]\);/d
}
