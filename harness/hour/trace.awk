# trace.awk - what strace wrote, two files merged ("c" and "s" before the lines of
# client and server), as a diagram with a column for each process, and a card; and
# both once more as a picture, into the file svg.

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
    endpoint = subject; sub(/\//, "-", endpoint)
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

# What its first argument stands for: a descriptor by the name that it has.  Of a
# process whose beginning was not seen, by one that it has on that side.
function object(side, pid, name, arguments,    first) {
    if (name ~ /^clone|^vfork/) return ""
    if (name == "pipe2") return "pipe"
    if (name == "socketpair") return "pair"
    first = arguments
    if (match(first, /"[^"]*"/) && first !~ /^[0-9]/)
        return basename(substr(first, RSTART + 1, RLENGTH - 2))
    sub(/[,)].*/, "", first); sub(/.*fd=/, "", first)
    if (name ~ /^(sem|shm|msg|futex|exit)/) return first # an id, an address
    if ((pid, first) in known) return known[pid, first]
    return !(pid in born) && first ~ /^[3-9]$|^[1-9][0-9]$/ && \
        (side, first) in known ? known[side, first] : first
}

# As the READMEs call it: NAME is the endpoint, PID.SERIAL what is a client's.
function basename(path) {
    sub(/.*\//, "", path)
    sub(/^ipclab-[0-9a-f]+-/, "", path) # what has no directory
    if (index(path, endpoint) == 1)
        path = "NAME" substr(path, length(endpoint) + 1)
    sub(/.*[0-9]\.[0-9][0-9][0-9][0-9]+$/, "PID.SERIAL", path)
    return path
}

# A child has what its parent had then.
function inherit(pid, child,    fd) {
    for (fd = 0; fd < 256; fd++)
        if ((pid, fd) in known && !((child, fd) in known))
            known[child, fd] = known[pid, fd]
    born[child] = 1
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
    what = object(side, pid, name, arguments)
    if (name ~ /^clone|^vfork/ && answer + 0 > 0) inherit(pid, answer + 0)
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
    if (name == "semctl" && answer == "EINVAL") return # looks through the table
    slept = waits[name] && took > 0.0005
    if (slept) sleeps[c]++
    bytes = 0
    if (name == "mq_timedsend" || name == "msgsnd") { # they answer 0
        text = arguments
        sub(/.*["}.], /, "", text)
        bytes = text + 0
    } else if (name ~ /^(write|send|pwrite|read|recv|mq_timedreceive|msgrcv|pread)/ &&
        answer + 0 > 0) bytes = answer
    out = name ~ /^(write|send|mq_timedsend|msgsnd|pwrite)/
    if (out) sent[c] += bytes
    else got[c] += bytes
    if (name == "mq_timedsend" || name == "msgsnd") answer = ""
    sub(/^mq_timed/, "mq_", name); sub(/^rt_/, "", name)
    when[++lines] = time - started; in_column[lines] = c
    mark[lines] = slept ? "~" : " "
    going[lines] = bytes == 0 ? "" : out ? "out" : "in"
    size[lines] = bytes
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
function fitted(i, room,    left, name) {
    left = room - length(call[i]) - length(result[i]) - 2
    name = of[i]
    if (left < 1) return substr(call[i] result[i], 1, room)
    if (length(name) > left) name = substr(name, length(name) - left + 1)
    return call[i] "(" name ")" result[i]
}

# -- the picture ---------------------------------------------------------------

function escaped(text) {
    gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    return text
}

# What was sent is what somebody in another column got, in as many bytes, of one
# call or of several; the first such pair that is left.
function got_by(i, j,    all) {
    for (all = 0; j <= lines; j++) {
        if (in_column[j] != in_column[i] && going[j] == "in" && !to[j])
            all += size[j]
        if (all >= size[i]) break
    }
    return all == size[i]
}

function match_messages(    i, j, k, left) {
    for (i = 1; i <= lines; i++)
        for (j = 1; going[i] == "out" && !from[i] && j <= lines; j++)
            if (going[j] == "in" && !to[j] && in_column[i] != in_column[j] &&
                (j > i || mark[j] == "~") && got_by(i, j)) {
                from[i] = j
                left = size[i]
                for (k = j; left > 0; k++)
                    if (in_column[k] != in_column[i] && going[k] == "in" && !to[k]) {
                        to[k] = i
                        left -= size[k]
                    }
            }
}

function x(c) { return 90 + 330 * (c - 1) }
function y(i) { return 76 + 21 * i }

function text_at(left, top, style, text) {
    printf "<text x=\"%d\" y=\"%d\"%s>%s</text>\n", left, top, style, \
        escaped(text) > svg
}

# A column's line goes down; a call is a dot on it with its name; a sleep is a
# thick bar until what was waited for came; a message is an arrow.
function draw(    c, i, j, side, down, wide) {
    match_messages()
    wide = x(columns) + 330
    down = y(lines) + 60 + 20 * columns
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" " \
        "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" " \
        "font-size=\"13\">\n<rect width=\"100%%\" height=\"100%%\" " \
        "fill=\"white\"/>\n<defs><marker id=\"head\" viewBox=\"0 0 10 10\" " \
        "refX=\"9\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" " \
        "orient=\"auto\"><path d=\"M0 0 10 5 0 10z\" fill=\"#D55E00\"/>" \
        "</marker></defs>\n", wide, down, wide, down > svg
    text_at(20, 28, " font-size=\"17\"", subject ": one request, hello World")
    text_at(20, 60, " fill=\"#666\"", "ms")
    for (c = 1; c <= columns; c++) {
        text_at(x(c) - 8, 60, " font-weight=\"bold\"", title[c])
        printf "<path d=\"M%d 68V%d\" stroke=\"#bbb\"/>\n", x(c), \
            y(lines) + 14 > svg
    }
    for (i = 1; i <= lines; i++) {
        for (j = i + 1; j < lines && in_column[j] != in_column[i]; j++);
        if (to[i] > i) j = to[i]
        if (mark[i] == "~" && j <= lines)
            printf "<path d=\"M%d %dV%d\" stroke=\"#0072B2\" " \
                "stroke-width=\"7\" opacity=\"0.5\"/>\n", x(in_column[i]), \
                y(i) - 4, y(j) - 4 > svg
    }
    for (i = 1; i <= lines; i++)
        if (j = from[i]) {
            side = in_column[j] > in_column[i] ? 1 : -1
            printf "<path d=\"M%d %dL%d %d\" stroke=\"#D55E00\" " \
                "stroke-width=\"1.5\" marker-end=\"url(#head)\"/>\n", \
                x(in_column[i]), y(i) - 4, x(in_column[j]) - 6 * side, \
                (j > i ? y(j) : y(i)) - 4 > svg
        }
    for (i = 1; i <= lines; i++) {
        printf "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/>\n", \
            x(in_column[i]), y(i) - 4, mark[i] == "~" ? "#0072B2" : "#111" > svg
        text_at(20, y(i), " fill=\"#666\" font-size=\"11\"", \
            sprintf("%.2f", 1000 * when[i]))
        text_at(x(in_column[i]) + 12, y(i), " stroke=\"white\" " \
            "stroke-width=\"4\" paint-order=\"stroke\"", fitted(i, 38) \
            (going[i] != "" && result[i] == "" ? " " size[i] : "") \
            (mark[i] == "~" ? "  sleeps" : ""))
    }
    for (c = 1; c <= columns; c++)
        text_at(20, y(lines) + 26 + 20 * c, "", sprintf( \
            "%s: %d calls, sleeps %d times (each a switch to somebody else), " \
            "%d bytes out, %d bytes in", title[c], calls[c], sleeps[c], sent[c], \
            got[c]))
    text_at(20, y(lines) + 46 + 20 * columns, "", copied())
    print "</svg>" > svg
}

function copied(    c, all) {
    for (c = 1; c <= columns; c++) all += sent[c] + got[c]
    return "The kernel copied " all " bytes; shared memory it does not touch."
}

END {
    width = int((wide - 8) / (columns ? columns : 1))
    if (width > 40) width = 40
    head = "    ms "
    for (c = 1; c <= columns; c++)
        head = head sprintf(" %-" (width - 1) "s", title[c])
    sub(/ +$/, "", head)
    print head
    for (i = 1; i <= lines; i++)
        printf "%6.2f %" (width * (in_column[i] - 1) + 1) "s%s\n", \
            1000 * when[i], mark[i], fitted(i, width - 2)
    printf "\nNAME is %s, PID.SERIAL what this client has made.\n", endpoint
    printf "~ it slept there. strace makes all of this slow: it shows what is " \
        "done, not how\nfast.\n\n%-12s %8s %8s %12s %12s\n", "", "calls", \
        "switches", "bytes out", "bytes in"
    for (c = 1; c <= columns; c++)
        printf "%-12s %8d %8d %12d %12d\n", title[c], calls[c], sleeps[c], \
            sent[c], got[c]
    if (others) printf "(and %d calls of other processes)\n", others
    print "\nswitches: to somebody else, because it slept.\n" copied()
    if (svg != "") draw()
}
