# wrong: close() waits for the server before it closes the pipe
# caught: conformance/an_empty_message_is_a_message
# because: wrong order, deadlock: the server ends when it reads the end of file, and that comes with the close
# told: 1 sleeps in waitpid\([0-9]+\), pipe/work/pipe.c:[0-9]+, in work_close\(\)
/block close:/,/end:/s/close\(c->to_server\);/waitpid(c->server, NULL, 0); &/
