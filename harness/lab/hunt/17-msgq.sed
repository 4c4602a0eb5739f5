# wrong: the server looks again and again, and does not sleep
# caught: conformance/an_idle_server_sleeps_unless_it_spins
# because: busy wait: IPC_NOWAIT in a loop, without a nap
/^take\(/,/^}/{
s/timeout_ns < 0 \? 0 : IPC_NOWAIT/IPC_NOWAIT/
s/\{.tv_nsec = NS_PER_MS\}/{.tv_nsec = 0}/
s/nanosleep\(&nap, NULL\) == -1/nap.tv_nsec == -1/
}
