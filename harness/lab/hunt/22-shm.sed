# wrong: the deadline of one clock is given to another
# caught: conformance/a_timeout_is_not_early_and_the_late_reply_goes_unheard
# because: wrong clock: sem_timedwait(3) goes by the wall clock, where a moment since boot is long past
# told: 2 deadline by one clock.*given to a call that goes by another.*client's half.*work_recv
/block recv:/,/end:/s/err = sem_until\(.*\);/struct timespec at = ns_to_timespec(deadline); err = sem_timedwait(\&c->slot->back, \&at) == -1 ? -errno : 0;/
