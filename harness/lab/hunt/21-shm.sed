# wrong: destroy() unmaps the segment, and does not remove its name
# caught: crash/a_restarted_server_is_a_new_one
# because: leak: a segment lives until its name is removed, in /dev/shm
/block destroy:/,/end:/{
/shm_unlink/d
}
