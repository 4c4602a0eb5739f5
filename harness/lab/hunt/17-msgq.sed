# wrong: the server looks again and again, and does not sleep
# caught: conformance/an_idle_server_sleeps_unless_it_spins
# because: busy wait: IPC_NOWAIT in a loop, without a nap
# told: 4 does not sleep, it looks again and again.*take\(\)
/^take\(/,/^}/{
s/timeout_ns < 0 \? 0 : IPC_NOWAIT/IPC_NOWAIT/
s/err = nap\(deadline\);/err = time_left(deadline) == 0 ? -ETIMEDOUT : 0;/
}
