# wrong: the server believes the pid and the uid that the request claims
# caught: conformance/the_server_knows_who_asks_as_well_as_declared
# because: identity: nothing but the request says so, a FIFO does not tell who writes
# told: 8 what the request says about its sender is believed.*work_next
/block next:/,/end:/s/req->peer = IPC_PEER_UNKNOWN;.*/req->peer = IPC_PEER_UNKNOWN; req->peer.pid = (pid_t)(r.reply_to >> 32);/
