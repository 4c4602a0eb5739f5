# trace.awk - what strace -yy wrote, two files merged ("c" and "s" before the lines
# of client and server), as a diagram with a column for each process, and a card;
# and both once more as a picture, into the file svg.
#
# A name says what a descriptor is, or who is at its other end: a socket and a
# pipe have the name of the process that reads or writes there, which is known
# when all is read.  So a name is kept as a key, and name_of() is asked at the end.

BEGIN {
    n = split("read write readv writev sendmsg recvmsg sendto recvfrom poll ppoll " \
        "epoll_wait epoll_pwait epoll_pwait2 accept accept4 connect socket " \
        "socketpair pipe2 mknodat mknod openat unlink unlinkat mq_open " \
        "mq_timedsend mq_timedreceive mq_unlink msgget msgsnd msgrcv msgctl semget " \
        "semop semtimedop semctl shmget shmat shmdt shmctl memfd_create ftruncate " \
        "futex futex_waitv kill tgkill rt_sigqueueinfo rt_sigtimedwait " \
        "rt_sigsuspend pidfd_send_signal fcntl flock clone clone3 vfork execve " \
        "waitid wait4 getsockopt exit_group pread64 pwrite64 preadv pwritev " \
        "nanosleep clock_nanosleep", shown, " ")
    for (i = 1; i <= n; i++) is[shown[i]] = 1
    n = split("read readv recvmsg recvfrom poll ppoll epoll_wait epoll_pwait " \
        "epoll_pwait2 accept accept4 mq_timedreceive msgrcv semop semtimedop futex " \
        "futex_waitv rt_sigtimedwait rt_sigsuspend fcntl flock waitid wait4 " \
        "mq_timedsend msgsnd nanosleep clock_nanosleep", waiting, " ")
    for (i = 1; i <= n; i++) waits[waiting[i]] = 1
    MOST = 3      # columns
    ENOUGH = 160  # lines; of more the first 60 and the last 40 are shown
    endpoint = subject; sub(/\//, "-", endpoint)
    textbook = subject ~ /textbook/

    means["request"] = "what all clients write to and the server reads"
    means["reply"] = "what this client has made, for the server to write to"
    means["endpoint"] = endpoint " in the run directory, where clients look first"
    means["join"] = "the socket at which a client asks to be let in"
    means["life"] = "the server's FIFO; nobody writes there, it ends with the server"
    means["user"] = "says whether the server serves as another user"
    means["memory"] = "what both sides have mapped; +8: the word that lies there"
    means["file"] = "the client's, which both sides use; +8: the word that lies there"
    means["page"] = "memory that the server alone writes to"
    means["semaphore"] = "a POSIX semaphore, which is a word in shared memory"
    means["turn"] = means["full"] = means["back"] = means["semaphore"]
    means["pipe"] = "ends when the program at its other end has begun"
    means["private"] = "a word of memory that other processes do not see"
    means["port"] = "the server's, whose number stands in the endpoint"
    means["netlink"] = "the kernel, asked who has the other end"
    means["helper"] = "the server's: it opens for the server what clients have made"
    means["worker"] = "the helper's child, for this client alone"
    means["thread"] = "one of the server's, which shares its memory"
    means["table"] = "all there are in this system"
}

# -- names ---------------------------------------------------------------------

# The column of a process; 0: there is no room for more.
function column(side, pid) {
    if (pid in at) return at[pid]
    if (columns == MOST) return 0
    at[pid] = ++columns
    side_of[columns] = side; pid_of[columns] = pid
    return columns
}

function entitle(    c, clients, servers) {
    for (c = 1; c <= columns; c++)
        if (side_of[c] == "c")
            title[c] = !clients++ ? "client" : pid_of[c] in serves ? "server" : "child"
        else
            title[c] = !servers++ ? "server" : pid_of[c] in thread ? "thread" : "helper"
}

function who(pid) {
    return pid in at ? title[at[pid]] : pid in parent ? "worker" : ""
}

function quoted(text) {
    return match(text, /"[^"]*"/) ? substr(text, RSTART + 1, RLENGTH - 2) : ""
}

# What a path is to the two sides.
function of_path(path, name,    base, queue) {
    if (sub(/^\/memfd:/, "", path)) {
        sub(/^ipclab-/, "", path)
        return path == "client" ? "memory" : path
    }
    queue = name ~ /^mq_/ || path ~ /^\/ipclab-[^\/]*$/
    base = path
    sub(/.*\//, "", base)
    if (sub(/^sem\.ipclab-[0-9a-f]+-/, "", base))
        return index(base, endpoint ".") == 1 ? \
            substr(base, length(endpoint) + 2) : "semaphore"
    sub(/^ipclab-/, "", base)
    sub(/^[0-9a-f]+-/, "", base)
    if (path ~ /^\/dev\/shm($|\/)/)
        return textbook || base ~ /^(shm$|#)|[0-9]\.[0-9]+$/ ? "memory" : "page"
    if (base ~ /[0-9]\.[0-9]+$/) return queue || base in fifo ? "reply" : "file"
    if (base == endpoint) return queue || base in fifo ? "request" : "endpoint"
    if (index(base, endpoint ".") == 1) return substr(base, length(endpoint) + 2)
    return base
}

# A descriptor as strace writes it: 7<pipe:[12]>, 4<UNIX:[1->2]>, 5</a/path>.
function of_fd(text, pid, name,    number, kind, inside, ends) {
    if (!match(text, /^[0-9]+</)) return "=" text
    number = substr(text, 1, RLENGTH - 1)
    text = substr(text, RLENGTH + 1)
    if (!match(text, /^[A-Za-z0-9_-]+:\[[^]]*\]/)) {
        sub(/[<>].*/, "", text)
        if (sub(/^pid:/, "", text)) return "@" text
        if (text ~ /^\/(proc|etc|lib|usr|sys)\//) return "" # nobody's but its own
        if (number + 0 < 3 && index(text, run) == 0 && text !~ /^\/memfd:/)
            return number == 0 ? "=stdin" : number == 1 ? "=stdout" : "=stderr"
        return "=" of_path(text, name)
    }
    text = substr(text, 1, RLENGTH - 1)
    kind = text; sub(/:.*/, "", kind)
    inside = text; sub(/^[^[]*\[/, "", inside)
    if (kind == "anon_inode") return "=" (inside == "eventpoll" ? "epoll" : inside)
    if (kind == "NETLINK") return "=netlink"
    if (kind == "pipe") {
        if (name ~ /^write/) writer[inside] = pid
        if (name ~ /^(read|poll|ppoll)/) reader[inside] = pid
        return "|" inside " " pid
    }
    split(inside, ends, /->|,/)
    if (name ~ /^(read|write|send|recv|poll|ppoll|accept)/) user[ends[1]] = pid
    if (inside ~ /->/) return "-" ends[2]
    if (inside ~ /,/) return "=" of_path(quoted(inside), name)
    if (ends[1] in connected) return connected[ends[1]]
    return inside ~ /:/ ? "=port" : "=socket"
}

# What a call is about: mostly its first argument.
function object(side, pid, name, arguments, answer,    first) {
    first = arguments
    if (name ~ /^(exit_group|.*nanosleep|rt_sigtimedwait|rt_sigsuspend)$/) return "="
    if (name ~ /^(clone|clone3|vfork)$/) return "@" answer
    if (name == "execve") return "=" of_path(quoted(first), name)
    if (name == "memfd_create") return "=" of_path("/memfd:" quoted(first), name)
    if (name ~ /^(openat|mknodat|mknod|unlink|unlinkat|mq_open|mq_unlink)$/)
        return "=" of_path(quoted(first), name)
    if (name == "pipe2" && match(first, /\[[0-9]+</))
        return of_fd(substr(first, RSTART + 1), pid, name)
    if (name == "socketpair" && match(first, /\[[0-9]+->[0-9]+/)) {
        first = substr(first, RSTART + 1, RLENGTH - 1)
        sub(/->/, " ", first)
        return "%" first " " pid
    }
    if (name == "connect") {
        first = first ~ /sun_path/ ? "=" of_path(quoted(first), name) : "=port"
        if (match(arguments, /:\[[0-9]+/))
            connected[substr(arguments, RSTART + 2, RLENGTH - 2)] = first
        return first
    }
    if (name ~ /^futex/) {
        sub(/.*uaddr=/, "", first); sub(/[,)].*/, "", first)
        return "=" word(pid, first)
    }
    if (name ~ /^(sem|shm|msg)/) return of_id(side, name, arguments, answer)
    if (name ~ /^(kill|tgkill|rt_sigqueueinfo|wait4)$/) {
        sub(/[,)].*/, "", first)
        return first == "-1" ? "=any" : "@" first
    }
    sub(/^P_PIDFD, /, "", first) # waitid
    if (name ~ /^p?poll$/) { # which one was it that had something to say?
        if (match(first, /\(\[\{fd=[0-9]+, revents/) &&
            match(first, "\\{fd=" substr(first, RSTART + 6, RLENGTH - 15) "<"))
            first = substr(first, RSTART)
        sub(/^[^=]*fd=/, "", first)
    }
    if (first !~ /^[0-9]+</) sub(/[,)].*/, "", first)
    return of_fd(first, pid, name)
}

# System V objects have a number each, and belong to who has made them.
function of_id(side, name, arguments, answer,    kind, id) {
    kind = substr(name, 1, 3)
    id = arguments; sub(/[,)].*/, "", id)
    if (name == "shmdt") return "=segment"
    if (arguments ~ /(SEM|MSG|SHM)_(STAT|INFO)|IPC_INFO/) return "=table"
    if (name ~ /get$/) {
        if (answer !~ /^[0-9]/) return "=no such key"
        id = answer
        if (side == "c" && arguments ~ /IPC_CREAT/) mine[kind, id] = 1
    }
    if (kind == "shm") shared = 1
    return "#" kind " " id
}

# What else there is to know about it, where there is room.
function detail(name, arguments,    what) {
    what = arguments
    if (name == "fcntl" && match(what, /F_(WR|RD|UN)LCK/)) {
        what = substr(what, RSTART + 2, 2)
        return what == "UN" ? "unlock" : what == "RD" ? "read lock" : "lock"
    }
    if (name ~ /kill|signal$|sigqueueinfo/) {
        sub(/^[^,]*, /, "", what); sub(/[,)].*/, "", what)
        if (name == "tgkill") sub(/^[^,]*, /, "", what)
        sub(/^SIG/, "", what)
        return what
    }
    if (name ~ /ctl$/ && match(what, /, (IPC|SEM|MSG|SHM|GET|SET)[A-Z_]*/))
        return substr(what, RSTART + 2, RLENGTH - 2)
    return ""
}

# -- words of shared memory ------------------------------------------------------

function number_of(hex,    i, n) {
    for (i = 3; i <= length(hex); i++)
        n = 16 * n + index("0123456789abcdef", substr(hex, i, 1)) - 1
    return n
}

function maps(side, pid, arguments, answer,    part) {
    if (split(arguments, part, ", ") < 6 || part[4] !~ /MAP_SHARED/ ||
        part[5] !~ /</ || answer !~ /^0x/) return
    sub(/^[0-9]+</, "", part[5]); sub(/>.*/, "", part[5])
    mapped[++regions] = part[5]
    by[regions] = pid
    if (side == "c" && part[3] ~ /WRITE/) written[of_path(part[5], "mmap")] = 1
    from_[regions] = number_of(answer)
    until_[regions] = from_[regions] + part[2]
}

# What is mapped there, by this process or by one that it comes from.
function word(pid, address,    i, path) {
    address = number_of(address)
    for (; pid != ""; pid = parent[pid])
        for (i = regions; i > 0; i--)
            if (by[i] == pid && from_[i] <= address && address < until_[i]) {
                shared = 1
                path = mapped[i] in linked ? linked[mapped[i]] : mapped[i]
                return of_path(path, "mmap") \
                    (path ~ /\/sem\./ ? "" : "+" (address - from_[i]))
            }
    return "private"
}

function name_of(key,    kind, part, other) {
    kind = substr(key, 1, 1); key = substr(key, 2)
    if (kind == "=") {
        if ("page" in written) sub(/^page/, "memory", key)
        return key
    }
    if (kind == "@") return who(key) != "" ? who(key) : key
    if (kind == "-") return who(user[key]) != "" ? who(user[key]) : "socket"
    split(key, part, " ")
    if (kind == "#")
        return ((part[1], part[2]) in mine ? "client's " : "server's ") \
            (part[1] == "sem" ? "set" : part[1] == "msg" ? "queue" : "segment")
    if (kind == "%") # both ends, and who has made them
        other = user[part[1]] == part[3] ? user[part[2]] : user[part[1]]
    else # a pipe, and who has this end
        other = writer[part[1]] == part[2] ? reader[part[1]] : writer[part[1]]
    return who(other) != "" ? who(other) : kind == "%" ? "pair" : "pipe"
}

# -- the calls -----------------------------------------------------------------

# Only what may sleep can have slept, and an answer says whether it could.
function slept(name, arguments, answer, took) {
    if (!waits[name] || arguments ~ /DONTWAIT|NOHANG|IPC_NOWAIT|FUTEX_WAKE/ ||
        (name == "fcntl" && arguments !~ /SETLKW/)) return 0
    if (answer == "EAGAIN" && name !~ /^(futex|semtimedop|rt_sigtimedwait)/) return 0
    return answer == "ETIMEDOUT" || took > 0.0005
}

# A row stands where its call was begun; one that had been begun before all this,
# where it ended.
function insert(time,    i) {
    for (i = ++lines; i > 1 && when[i - 1] > time; i--) {
        when[i] = when[i - 1]; ended[i] = ended[i - 1]
        in_column[i] = in_column[i - 1]; mark[i] = mark[i - 1]
        going[i] = going[i - 1]; size[i] = size[i - 1]; call[i] = call[i - 1]
        of[i] = of[i - 1]; more[i] = more[i - 1]; result[i] = result[i - 1]
    }
    when[i] = time
    return i
}

# Those that were asleep when it began and that have been woken by now.
function wake_up(now,    pid, side) {
    for (pid in last)
        if (last_begun[pid] + last_took[pid] <= now) {
            side = last[pid]; delete last[pid]
            show(last_begun[pid], side, pid, last_name[pid], \
                last_arguments[pid], last_answer[pid], last_took[pid])
        }
}

function show(begun_at, side, pid, name, arguments, answer, took,
    c, i, key, text, path) {
    if (name == "mmap") maps(side, pid, arguments, answer)
    if (name ~ /^(clone|clone3|vfork)$/ && answer + 0 > 0) {
        parent[answer] = pid
        if (arguments ~ /CLONE_THREAD/) thread[answer] = 1
    }
    if (name == "execve" && arguments ~ /ipcd"/) serves[pid] = 1
    if (name ~ /^mknod/ && arguments ~ /S_IFIFO/) {
        text = quoted(arguments); sub(/.*\//, "", text); fifo[text] = 1
    }
    if (name == "link" && split(arguments, path, "\"") > 3) # what sem_open(3) does
        linked[path[2]] = path[4]
    if (!started && side == "c" && (index(arguments, run "/") ||
        arguments ~ ("ipclab-[0-9a-f]+-" endpoint) ||
        (!daemon && name ~ /^(pipe2|socketpair|memfd_create)$/))) {
        delete last[pid]
        started = begun_at
        column(side, pid)
    }
    if (!is[name] || arguments ~ /"\/(proc|etc|lib|usr|sys)|"\/dev\/[^s]/ ||
        arguments ~ /-probe-|O_DIRECTORY/ ||
        (name == "fcntl" && arguments !~ /SETLK/) ||
        (name == "getsockopt" && arguments !~ /PEER/)) return
    key = object(side, pid, name, arguments, answer)
    if (!started) { # who is asleep when it begins wakes up in it
        last[pid] = side; last_begun[pid] = begun_at; last_took[pid] = took
        last_name[pid] = name; last_arguments[pid] = arguments
        last_answer[pid] = answer
        return
    }
    if (key == "" || begun_at + took < started) return
    if ((c = column(side, pid)) == 0) { others++; return }
    calls[c]++
    if (key == "=table" && answer == "EINVAL") { looked[c]++; return }
    i = insert((begun_at < started ? begun_at + took : begun_at) - started)
    ended[i] = begun_at + took - started
    in_column[i] = c
    mark[i] = slept(name, arguments, answer, took) ? "~" : " "
    if (mark[i] == "~") sleeps[c]++
    size[i] = 0
    if (name == "mq_timedsend" || name == "msgsnd") { # they answer 0
        text = arguments
        sub(/.*["}.], /, "", text)
        size[i] = text + 0
    } else if (name ~ /^(write|send|pwrite|read|recv|mq_timedreceive|msgrcv|pread)/ &&
        answer + 0 > 0) size[i] = answer
    going[i] = size[i] == 0 ? "" : \
        name ~ /^(write|send|mq_timedsend|msgsnd|pwrite)/ ? "out" : "in"
    if (key !~ /^=std/) { # what it tells its user is not for the other side
        if (going[i] == "out") sent[c] += size[i]
        else got[c] += size[i]
    }
    if (name == "mq_timedsend" || name == "msgsnd") answer = size[i]
    if (name ~ /^(clone3?|vfork|wait4|shmat)$|get$/ && answer !~ /^E/)
        answer = "" # the name says it
    if (name ~ /signal$|sigqueueinfo$/ || arguments ~ /SETALL|SETVAL/) carried = 1
    more[i] = detail(name, arguments)
    if (name == "futex") sub(/$/, arguments ~ /FUTEX_WAKE/ ? "_wake" : "_wait", name)
    sub(/^mq_timed/, "mq_", name); sub(/^rt_/, "", name)
    call[i] = name; of[i] = key
    result[i] = answer != "" && answer != "0" && answer != "?" ? " " answer : ""
    if (c == 1 && name == "exit_group") over = begun_at
}

{
    side = $1; pid = $2; time = $3
    if (started && !over) wake_up(time)
    rest = $0; sub(/^[cs] +[0-9]+ +[0-9.]+ /, "", rest)
    took = 0
    if (match(rest, /<[0-9.]+>$/)) took = substr(rest, RSTART + 1, RLENGTH - 2)
    if (rest ~ /<unfinished/) {
        sub(/ *<unfinished.*/, "", rest)
        begun[pid] = rest; begun_at[pid] = time
        next
    }
    if (rest ~ /^<\.\.\. /) {
        sub(/^<\.\.\. [a-z0-9_]+ resumed>/, "", rest)
        rest = begun[pid] rest; time = begun_at[pid]
    }
    if (!match(rest, /^[a-z0-9_]+\(/)) next
    # What is not over yet when the client ends is shown if it is not asleep.
    if (over && (time > over || waits[substr(rest, 1, RLENGTH - 1)])) next
    name = substr(rest, 1, RLENGTH - 1)
    arguments = substr(rest, RLENGTH + 1)
    answer = rest
    if (!match(answer, /.*\) += /)) answer = ""
    else { answer = substr(answer, RLENGTH + 1); sub(/[ <].*/, "", answer) }
    if (answer == "-1" && match(rest, /= -1 E[A-Z]+/))
        answer = substr(rest, RSTART + 5, RLENGTH - 5)
    if (name == "rt_sigtimedwait" && match(rest, /\(SIG[A-Z0-9_]+\)/)) # which came
        answer = substr(rest, RSTART + 4, RLENGTH - 5)
    show(time, side, pid, name, arguments, answer, took)
}

# A row, as much of it as there is room for: whole words, and the name always.
function fitted(i, room,    name, short, text) {
    name = name_of(of[i]); short = name
    sub(/\+[0-9]+$/, "", short)
    text = call[i] "(" name (more[i] != "" ? ", " more[i] : "") ")" result[i]
    if (length(text) > room) text = call[i] "(" short ")" result[i]
    if (length(text) > room) sub(/_wait|_wake/, "", text)
    return text
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

# A signal reaches who waited for it, and a word wakes who sleeps on it.
function wakes(i, j) {
    if (in_column[i] == in_column[j] || to[j] || ended[j] < when[i]) return 0
    if (call[i] ~ /signal$|kill$/)
        return call[j] == "sigtimedwait" && result[j] == " " more[i]
    return call[i] == "futex_wake" && result[i] != "" && call[j] == "futex_wait" && \
        when[j] <= when[i] && name_of(of[i]) == name_of(of[j])
}

function match_messages(    i, j, k, left) {
    for (i = 1; i <= lines; i++)
        for (j = 1; place[i] && going[i] == "" && !from[i] && j <= lines; j++)
            if (wakes(i, j)) { from[i] = j; to[j] = i }
    for (i = 1; i <= lines; i++)
        for (j = 1; place[i] && going[i] == "out" && !from[i] && j <= lines; j++)
            if (going[j] == "in" && !to[j] && in_column[i] != in_column[j] &&
                (j > i || ended[j] >= when[i]) && got_by(i, j)) {
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
    down = y(rows) + 60 + 20 * (columns + notes)
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
            y(rows) + 14 > svg
    }
    for (i = 1; i <= lines; i++) {
        for (j = i + 1; j < lines && in_column[j] != in_column[i]; j++);
        if (to[i] > i) j = to[i]
        if (mark[i] == "~" && j <= lines && place[i] && place[j])
            printf "<path d=\"M%d %dV%d\" stroke=\"#0072B2\" " \
                "stroke-width=\"7\" opacity=\"0.5\"/>\n", x(in_column[i]), \
                y(place[i]) - 4, y(place[j]) - 4 > svg
    }
    for (i = 1; i <= lines; i++)
        if ((j = from[i]) && place[i] && place[j]) {
            side = in_column[j] > in_column[i] ? 1 : -1
            printf "<path d=\"M%d %dL%d %d\" stroke=\"#D55E00\" " \
                "stroke-width=\"1.5\" marker-end=\"url(#head)\"/>\n", \
                x(in_column[i]), y(place[i]) - 4, \
                x(in_column[j]) - 6 * side, y(place[j > i ? j : i]) - 4 > svg
        }
    for (i = 1; i <= lines; i++) {
        if (i == 61 && !place[i]) text_at(x(1) + 12, y(61), "", omitted())
        if (!place[i]) continue
        printf "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/>\n", \
            x(in_column[i]), y(place[i]) - 4, mark[i] == "~" ? "#0072B2" : "#111" > svg
        text_at(20, y(place[i]), " fill=\"#666\" font-size=\"11\"", \
            sprintf("%.2f", 1000 * when[i]))
        text_at(x(in_column[i]) + 12, y(place[i]), " stroke=\"white\" " \
            "stroke-width=\"4\" paint-order=\"stroke\"", fitted(i, 38) \
            (going[i] != "" && result[i] == "" ? " " size[i] : "") \
            (mark[i] == "~" ? "  sleeps" : ""))
    }
    for (c = 1; c <= columns; c++)
        text_at(20, y(rows) + 26 + 20 * c, "", sprintf( \
            "%s: %d calls, sleeps %d times (each a switch to somebody else), " \
            "%d bytes out, %d bytes in", title[c], calls[c], sleeps[c], sent[c], \
            got[c]))
    text_at(20, y(rows) + 46 + 20 * columns, "", copied())
    for (i = 1; i <= notes; i++)
        text_at(20, y(rows) + 46 + 20 * (columns + i), " fill=\"#666\"", note[i])
    print "</svg>" > svg
}

function copied(    c, all) {
    for (c = 1; c <= columns; c++) all += sent[c] + got[c]
    return "The kernel copied " all + 0 " bytes" \
        (carried ? ", and what signals and semaphores' values carry" : "") \
        (shared ? "; shared memory it does not touch." : ".")
}

# -- the diagram -----------------------------------------------------------------

# Which rows are shown: of very many the first and the last.
function choose(    i) {
    for (i = 1; i <= lines; i++)
        if (lines <= ENOUGH || i <= 60 || i > lines - 40) place[i] = ++rows
        else if (i == 61) ++rows # where it says how many are not
}

function omitted() { return lines - 100 " calls like these" }

function diagram(    width, c, i, head) {
    width = int((wide - 7) / (columns ? columns : 1))
    if (width > 40) width = 40
    head = "    ms "
    for (c = 1; c <= columns; c++)
        head = head sprintf(" %-" (width - 1) "s", title[c])
    sub(/ +$/, "", head)
    print head
    for (i = 1; i <= lines; i++)
        if (place[i])
            printf "%6.2f %" (width * (in_column[i] - 1) + 1) "s%s\n", \
                1000 * when[i], mark[i], fitted(i, width - 1)
        else if (i == 61)
            print "   ... ", omitted()
}

# The names that need a word.
function legend(    i, c, n, name, order, said) {
    for (i = 1; i <= lines; i++) {
        name = name_of(of[i]); sub(/\+[0-9]+$/, "", name)
        if (of[i] ~ /^[-%|]/ && name != "pipe") ends = 1
        if (name in means && !said[name]++) order[++n] = name
    }
    for (i = 1; i <= columns; i++)
        if (title[i] in means && !said[title[i]]++) order[++n] = title[i]
    for (i = 1; i <= n; i++) { # those that mean the same on one line
        name = means[order[i]]
        if (name == "") continue
        for (c = i + 1; c <= n; c++)
            if (means[order[c]] == name) {
                order[i] = order[i] ", " order[c]; means[order[c]] = ""
            }
        note[++notes] = sprintf("%-10s  %s", order[i], name)
    }
    if (ends)
        note[++notes] = "A socket or a pipe has the name of who is at its other end."
}

END {
    entitle()
    choose()
    diagram()
    print ""
    legend()
    for (i = 1; i <= notes; i++) print note[i]
    print "~ it slept there: it took more than 0.5 ms, or its time ran out. strace makes"
    print "all of this slow: it shows what is done, not how fast.\n"
    printf "%-12s %8s %8s %12s %12s\n", "", "calls", "switches", "bytes out", "bytes in"
    for (c = 1; c <= columns; c++)
        printf "%-12s %8d %8d %12d %12d\n", title[c], calls[c], sleeps[c], \
            sent[c], got[c]
    for (c = 1; c <= columns; c++)
        if (looked[c])
            printf "(%d of the %s's calls looked through the table in vain)\n", \
                looked[c], title[c]
    if (others) printf "(and %d calls of other processes)\n", others
    print "\nswitches: to somebody else, because it slept. bytes: without what it prints."
    print copied()
    if (svg != "") draw()
}
