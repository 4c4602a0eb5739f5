# wrong: the client does not block SIGUSR2
# caught: conformance/an_empty_message_is_a_message
# because: killed by SIGUSR2: a signal that is not blocked is not kept, and does what it does by default
# told: 1 SIGUSR2.*neither blocked nor handled
/block open:/,/end:/s/block\(&c->side, SIGUSR2, SIGUSR2, &c->before\);/& pthread_sigmask(SIG_SETMASK, \&c->before, NULL);/
