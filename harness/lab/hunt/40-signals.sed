# wrong: close() does not wait for the server
# caught: crash/a_spawned_server_is_a_child_of_its_client_and_ends_with_it
# because: zombie: a child that has ended stays in the table of processes until its parent waits
# told: 1 does not .*wait for (the server|it) \(waitpid
/block close:/,/end:/{
/spawn_reap/d
}
