# wrong: destroy() unmaps the segment, and does not remove its name
# caught: crash/what_a_killed_textbook_server_leaves_is_replaced_and_swept
# because: leak: a segment lives until its name is removed, in /dev/shm
/block destroy:/,/end:/{
/shm_unlink/d
}
