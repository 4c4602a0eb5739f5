# trace.awk - what strace wrote, two files merged ("c" and "s" before the lines of
# client and server), as a diagram with a column for each process, and a card.

BEGIN {
    n = split("read write readv writev sendmsg recvmsg sendto recvfrom poll ppoll " \
        "epoll_wait epoll_pwait accept accept4 connect socket socketpair bind " \
        "pipe2 mknodat mknod openat unlink unlinkat mq_open mq_timedsend " \
        "mq_timedreceive mq_unlink msgget msgsnd msgrcv msgctl semget semop " \
        "semtimedop semctl shmget shmat shmdt shmctl memfd_create ftruncate futex " \
        "futex_waitv kill tgkill rt_sigqueueinfo rt_sigtimedwait " \
        "pidfd_send_signal fcntl flock clone clone3 vfork execve waitid wait4 " \
        "getsockopt exit_group pread64 pwrite64", shown, " ")
    for (i = 1; i <= n; i++) is[shown[i]] = 1
    n = split("read recvmsg recvfrom poll ppoll epoll_wait epoll_pwait accept " \
        "accept4 mq_timedreceive msgrcv semop semtimedop futex futex_waitv " \
        "rt_sigtimedwait fcntl waitid wait4 mq_timedsend msgsnd", waiting, " ")
    for (i = 1; i <= n; i++) waits[waiting[i]] = 1
    MOST = 3
}

# The column of a process; 0: there is no room for more.
function column(side, pid) {
    if (pid in at) return at[pid]
    if (columns == MOST) return 0
    at[pid] = ++columns
    if (side == "c") title[columns] = clients++ ? "its child" : "client"
    else title[columns] = servers++ ? "its helper" : "server"
    return columns
}

# What its first argument stands for: a descriptor by the name that it has.
function object(side, pid, arguments,    first) {
    first = arguments
    if (match(first, /"[^"]*"/) && first !~ /^[0-9]/)
        return basename(substr(first, RSTART + 1, RLENGTH - 2))
    sub(/[,)].*/, "", first); sub(/.*fd=/, "", first)
    if ((pid, first) in known) return known[pid, first]
    return first ~ /^[3-9]$|^[1-9][0-9]$/ && (side, first) in known ? \
        known[side, first] : first
}

function basename(path) {
    sub(/.*\//, "", path)
    return path
}

function show(time, side, pid, name, arguments, answer, took,    c, what, text) {
    if (!is[name] || arguments ~ /"\/(proc|etc|lib|usr|sys|dev)/ ||
        arguments ~ /-probe-/ || (name == "fcntl" && arguments !~ /SETLK/) ||
        (name == "getsockopt" && arguments !~ /PEER/)) {
        if (name == "openat") ignored[pid, answer + 0] = 1
        if (name == "close") {
            sub(/\).*/, "", arguments)
            delete ignored[pid, arguments]; delete known[pid, arguments]
        }
        return
    }
    what = object(side, pid, arguments)
    if ((pid, what) in ignored) return
    if (name ~ /^(openat|mq_open)$/)
        known[pid, answer + 0] = known[side, answer + 0] = what
    if (name ~ /^(accept|accept4)$/) known[pid, answer + 0] = "client"
    if (name ~ /^(socket)$/) known[pid, answer + 0] = "socket"
    if (name ~ /^(pipe2|socketpair)$/ && match(arguments, /\[[0-9]+, [0-9]+\]/)) {
        text = substr(arguments, RSTART + 1, RLENGTH - 2)
        split(text, end, ", ")
        known[pid, end[1]] = (name == "pipe2" ? "pipe." : "pair.") "0"
        known[pid, end[2]] = (name == "pipe2" ? "pipe." : "pair.") "1"
    }
    if (!started) {
        if (side != "c" || (index($0, run) == 0 &&
            name !~ /^(pipe2|socketpair|memfd_create)$/)) return
        started = time
    }
    if ((c = column(side, pid)) == 0) { others++; return }
    calls[c]++
    slept = waits[name] && took > 0.0005
    if (slept) sleeps[c]++
    if (name ~ /^(write|send|mq_timedsend|msgsnd|pwrite)/ && answer > 0)
        sent[c] += answer
    if (name ~ /^(read|recv|mq_timedreceive|msgrcv|pread)/ && answer > 0)
        got[c] += answer
    if (name == "mq_timedsend" || name == "msgsnd") answer = ""
    sub(/^mq_timed/, "mq_", name); sub(/^rt_/, "", name)
    when[++lines] = time - started; in_column[lines] = c
    mark[lines] = slept ? "~" : " "
    call[lines] = name; of[lines] = what
    result[lines] = answer != "" && answer != "0" && answer != "?" ? \
        " " answer : ""
    if (c == 1 && name == "exit_group") over = 1
}

over { next }
{
    side = $1; pid = $2; time = $3
    rest = $0; sub(/^[cs] +[0-9]+ +[0-9.]+ /, "", rest)
    took = 0
    if (match(rest, /<[0-9.]+>$/)) took = substr(rest, RSTART + 1, RLENGTH - 2)
    if (rest ~ /<unfinished/) {
        sub(/ *<unfinished.*/, "", rest); begun[pid] = rest; next
    }
    if (rest ~ /^<\.\.\. /) {
        sub(/^<\.\.\. [a-z0-9_]+ resumed>/, "", rest); rest = begun[pid] rest
    }
    if (!match(rest, /^[a-z0-9_]+\(/)) next
    name = substr(rest, 1, RLENGTH - 1)
    arguments = substr(rest, RLENGTH + 1)
    answer = rest
    if (!match(answer, /.*\) += /)) answer = ""
    else { answer = substr(answer, RLENGTH + 1); sub(/ .*/, "", answer) }
    if (answer == "-1" && match(rest, /= -1 E[A-Z]+/))
        answer = substr(rest, RSTART + 5, RLENGTH - 5)
    show(time, side, pid, name, arguments, answer, took)
}

# A name that is too long is shown by its end.
function fitted(i, room,    left) {
    left = room - length(call[i]) - length(result[i]) - 2
    if (left < 1) return substr(call[i] result[i], 1, room)
    if (length(of[i]) > left)
        of[i] = substr(of[i], length(of[i]) - left + 1)
    return call[i] "(" of[i] ")" result[i]
}

END {
    width = int(71 / (columns ? columns : 1))
    if (width > 40) width = 40
    head = "     ms "
    for (c = 1; c <= columns; c++)
        head = head sprintf(" %-" (width - 1) "s", title[c])
    sub(/ +$/, "", head)
    print head
    for (i = 1; i <= lines; i++)
        printf "%7.2f %" (width * (in_column[i] - 1) + 1) "s%s\n", \
            1000 * when[i], mark[i], fitted(i, width - 2)
    printf "\n~ it slept there. strace makes all of this slow: it shows what is " \
        "done, not how\nfast.\n\n%-12s %8s %8s %12s %12s\n", "", "calls", \
        "sleeps", "bytes out", "bytes in"
    for (c = 1; c <= columns; c++)
        printf "%-12s %8d %8d %12d %12d\n", title[c], calls[c], sleeps[c], \
            sent[c], got[c]
    if (others) printf "(and %d calls of other processes)\n", others
}
