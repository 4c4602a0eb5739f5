# wrong: close() does not remove the client's FIFO
# caught: crash/a_client_that_leaves_takes_everything_along
# because: leak: the name NAME.PID.N is still there, and nobody unlinks it
# told: 2 unlink\(2\) in close\(\).*work_close
/block close:/,/end:/{
/unlink/d
}
