# wrong: destroy() does not remove the queue
# caught: crash/a_restarted_server_is_a_new_one
# because: leak: a queue lives until somebody removes it; without its file nobody finds it any more
# told: 1 System V msg.*IPC_RMID.*work_destroy
/block destroy:/,/end:/{
/msgctl/d
}
