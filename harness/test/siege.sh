#!/usr/bin/env bash
# siege.sh - how long another user's hello takes while one user, by four
# processes, does all that it can to a server (attack/siege.c): a table.
#
#       harness/test/siege.sh                  2 s of each; six minutes
#       harness/test/siege.sh 10               10 s of each
#       harness/test/siege.sh 2 shm/futex ...  only these
#       RAW=FILE harness/test/siege.sh         each measurement, as CSV, too
#
# As root, and on a machine that does nothing else: what it measures is who gets
# a processor when.  A row for each variant: a hello, from open to close, when
# nobody else is there; then of all manners of siege the greatest median, 99th
# percentile and single hello (in ms; 2000: it was given up), how many were not
# answered, by which manner that was; the longest that ipcd took to end on
# SIGTERM, and to start again, under siege.  Built first: make.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ATTACK=${ATTACK:-$top/build/release/ipcattack}
seconds=${1:-2}
[ $# -gt 0 ] && shift

if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
    echo "siege.sh: $seconds is not a number of seconds" >&2
    exit 64
fi
if [ ! -x "$ATTACK" ]; then
    echo "siege.sh: there is no $ATTACK: make" >&2
    exit 69
fi
if [ $# -eq 0 ]; then
    set -- fifo/perclient fifo/oneway msgq/sysv-types msgq/sysv-private \
        msgq/posix sem/values shm/futex shm/spin shm/sysv shm/reclock \
        mmap/file mmap/lockfile socket/stream socket/threads \
        socket/seqpacket socket/dgram socket/abstract socket/tcp socket/udp
fi
cat <<'EOF'
| variant | alone: median | besieged: median | p99 | worst | unanswered | by | end | start |
|---|---|---|---|---|---|---|---|---|
EOF
for mechanism; do
    "$ATTACK" --siege "$mechanism" "$seconds" all |
        tee -a "${RAW:-/dev/null}" |
        awk -F, '
            $2 == "nothing" { alone = $8; next }
            $8 > median { median = $8 }
            $9 > p99 { p99 = $9 }
            $10 > worst { worst = $10; by = $2 }
            $5 > end { end = $5 }
            $7 > start { start = $7 }
            $6 != 0 { end = "did not" }
            { all += $3; failed += $4 }
            END {
                printf "| `%s` | %s | %s | %s | %s | %d of %d | %s | %s | %s |\n",
                       $1, alone, median, p99, worst, failed, all, by, end, start
            }'
done
