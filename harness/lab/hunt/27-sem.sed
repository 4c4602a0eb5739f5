# wrong: the names of the semaphores are not removed
# caught: crash/what_a_killed_textbook_server_leaves_is_replaced_and_swept
# because: leak: /dev/shm/sem.NAME.turn, .full and .back live until somebody calls sem_unlink(3)
# told: 1 /dev/shm/sem[.].*sem_unlink\(3\)
/^textbook_sweep/,/^}/s/i < SEMAPHORES/i < 0/
