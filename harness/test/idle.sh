#!/usr/bin/env bash
# idle.sh - how often a server wakes up: of each thread of an ipcd and of its
# processes that did, and of all, the rate in so many seconds.
#
#       build/release/ipcd -m shm/mutex -m msgq/posix &
#       harness/test/idle.sh $! 10
#
# Nobody should ask it meanwhile.  Without clients all sleep.  With a client that
# says nothing some look whether it still lives, ever more rarely: shm/futex,
# shm/reclock, mmap/* each time after twice as long; msgq/* at last every 4 s,
# for a dead client's queue counts against its user.  shm/spin never sleeps, and
# is not counted: it does not wake up.
set -euo pipefail

pid=${1:-} seconds=${2:-10}
if ! [[ $pid$seconds =~ ^[0-9]+$ ]] || [ ! -e "/proc/$pid/task" ]; then
    echo "idle.sh: say the pid of an ipcd, and how many seconds" >&2
    exit 64
fi

# NAME PID TID SWITCHES: voluntary ones, proc(5).
count() {
    local process
    for process in "$pid" $(cat "/proc/$pid/task/$pid/children"); do
        awk '/^Name:/ { name = $2 } /^Tgid:/ { pid = $2 } /^Pid:/ { tid = $2 }
             /^voluntary/ { print name, pid, tid, $2 }' \
            "/proc/$process"/task/*/status
    done
}

{ count; sleep "$seconds"; count; } | awk -v seconds="$seconds" '
    !($3 in before) { before[$3] = $4; next }
    { all += $4 - before[$3] }
    $4 > before[$3] {
        printf "%-16s %7d %5.1f /s\n", $1, $2, ($4 - before[$3]) / seconds
    }
    END { printf "%-16s %7s %5.1f /s\n", "all", "", all / seconds }'
