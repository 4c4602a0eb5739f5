# wrong: the deadline of one clock is given to another
# caught: conformance/a_timeout_is_not_early_and_the_late_reply_goes_unheard
# because: wrong clock: sem_timedwait(3) goes by the wall clock, where a moment since boot is long past
/^sem_until/,/^}/s/sem_clockwait\(sem, CLOCK_MONOTONIC, &at\)/sem_timedwait(sem, \&at)/
