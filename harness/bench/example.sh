#!/bin/sh
# example.sh - makes the worked example of results/README.md anew: two runs on
# this machine, one with all CPUs and one with the first alone, into
# results/reference/, and what each command of the README says of them.
#
#   harness/bench/example.sh [IPCBENCH]      on a machine that does nothing else
set -eu
cd "$(dirname "$0")/../.."
bench=${1:-build/release/ipcbench}
page=results/README.md
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT

# run NAME [taskset ...]: what is needed of it, and no more
run() {
    name=$1
    shift
    "$@" "$bench" run -m pipe/coprocess -m fifo/perclient -m msgq/posix \
        -m socket/seqpacket -m socket/stream -m shm/futex \
        --sizes 64,4096 --budget 25 \
        --out "$there/$name"
    mkdir -p "results/reference/$name"
    cp "$there/$name/latest/cells.csv" "$there/$name/latest/run.json" \
        "results/reference/$name"
}

# The page, with the answers of its commands as they are now.
answered() {
    inside=
    while IFS= read -r line; do
        case $line in
        '```console') inside=yes ;;
        '```') inside= ;;
        '$ '*)
            printf '%s\n' "$line"
            sh -c "${line#??}" 2>/dev/null || true
            continue
            ;;
        esac
        if [ -z "$inside" ] || [ "$line" = '```console' ]; then
            printf '%s\n' "$line"
        fi
    done <"$page"
}

if [ "$bench" != none ]; then # none: only the page
    run all-cpus env
    run cpu-0 taskset -c 0
fi
answered >"$there/page"
cp "$there/page" "$page"
echo "Left in results/reference/all-cpus, results/reference/cpu-0 and $page"
