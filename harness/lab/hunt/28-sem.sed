# wrong: recv() does not pass the turn on
# caught: conformance/the_largest_message_passes_intact
# because: deadlock: who has taken a semaphore and does not post it keeps everybody out, also itself
# told: 2 work_send\(\).*its value is 0.*Nobody has posted.*client's half
/block recv:/,/end:/{
/sem_post/d
}
