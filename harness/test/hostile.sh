#!/usr/bin/env bash
# hostile.sh - every daemon under AddressSanitizer and UBSan, among clients that
# do anything (attack/hostile.c): mutated frames, nonsense in what is shared,
# objects changed and removed.
#
#       harness/test/hostile.sh                     2000 for each; minutes
#       harness/test/hostile.sh 1000000             a night
#       harness/test/hostile.sh 2000 sem/values ... only these
#       MOST=120 harness/test/hostile.sh 1000000    at most so long for each, s
#       SEED=7 harness/test/hostile.sh 2000         other clients
#       KEEP_ROOT=1 harness/test/hostile.sh 2000    a server that keeps root
#
# The number counts frames that the mechanism has taken and changes that the
# kernel has; what was refused is not counted.  One line for each variant; exit
# status 1: a server reported something, ended, or did not serve an honest client
# meanwhile.  Its report is shown on standard error.  Built first: make V=asan,
# and make: the clients are not what is tried, and faster without sanitizers.
# As root each client is another user; otherwise all are you.  sem/mailbox and
# shm/mutex trust whom they let in, and let in nobody but their own user: of them
# that is what is tried.
set -uo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ATTACK=${ATTACK:-$top/build/release/ipcattack}
export IPCLAB_BIN=${IPCLAB_BIN:-$top/build/asan}
amount=${1:-2000}
[ $# -gt 0 ] && shift

if ! [[ $amount =~ ^[1-9][0-9]*$ ]]; then
    echo "hostile.sh: $amount is not a number of frames and changes" >&2
    exit 64
fi
for program in "$ATTACK" "$IPCLAB_BIN/ipcd"; do
    if [ ! -x "$program" ]; then
        echo "hostile.sh: there is no $program: make; make V=asan" >&2
        exit 69
    fi
done
if [ $# -eq 0 ]; then
    # What `ipcbench list` has: a name, and below it "can: ...".
    mapfile -t daemons < <("$(dirname "$ATTACK")/ipcbench" list | awk '
        /^[^ ]+\/[^ ]+$/ { name = $1 }
        $1 == "can:" && !/spawned|inprocess/ { print name }')
    set -- "${daemons[@]}"
fi
failed=0
for mechanism; do
    "$ATTACK" --hostile "$mechanism" "$amount" "${SEED:-1}" || failed=1
done
exit $failed
