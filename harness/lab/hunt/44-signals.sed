# wrong: nobody looks whether the other side lives
# caught: crash/a_killed_server_is_a_broken_pipe
# because: a death is no signal: who only waits for SIGUSR2 is not told that nobody will send it
# told: 6 nothing told the client that its server has gone
/^take_signal/,/^}/s/if \(is_gone\(s\)\)/if (false \&\& is_gone(s))/
