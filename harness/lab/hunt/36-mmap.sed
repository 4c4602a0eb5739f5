# wrong: the server does not sleep between two looks
# caught: conformance/an_idle_server_sleeps_unless_it_spins
# because: busy wait: it locks and unlocks slot after slot, and never sleeps
# told: 4 does not sleep, it looks again and again.*work_next
/block next:/,/end:/s/looks % SLOTS == 0 \? nap\(deadline\) : 0/time_left(deadline) == 0 ? -ETIMEDOUT : 0/
