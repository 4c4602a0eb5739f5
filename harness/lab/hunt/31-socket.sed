# wrong: the server takes its own pid for its client's
# caught: conformance/the_server_knows_who_asks_as_well_as_declared
# because: identity: SO_PEERCRED, not getpid(2), is who called connect(2)
# told: 8 the server's own.*SO_PEERCRED
/^accept_one/,/^}/s/\.pid = who.pid,/.pid = getpid(),/
