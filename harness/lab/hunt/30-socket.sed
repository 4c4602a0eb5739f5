# wrong: create() does not remove a dead server's name
# caught: crash/what_a_killed_textbook_server_leaves_is_replaced_and_swept
# because: leftover: bind(2) says EADDRINUSE as long as the name is there, whether anybody listens or not
# told: 1 Address already in use.*unlink\(2\).*work_create
/block create:/,/end:/{
/unlink\(name\)/d
}
