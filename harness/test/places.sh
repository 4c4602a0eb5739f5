#!/usr/bin/env bash
# places.sh - runs the test program in all the places where it must end green:
# with less root, another /tmp, smaller limits, odd things inherited, company.
#
#       harness/test/places.sh              every place; needs root, an hour
#       harness/test/places.sh nosuid fd3   these
#       harness/test/places.sh --list       what there is
#       CK_RUN_SUITE=ctl harness/test/places.sh     one suite in every place
#
# One line for each place: green, or what failed; what was not run there is
# counted.  The whole output is in $LOGS/PLACE.log (a directory under /tmp
# otherwise, kept when something failed).  CHECK=build/asan/check picks another
# program.  Nothing here changes the machine: mounts are made in a mount
# namespace that ends with the run.
#
# A place that ends green and leaves something in /tmp, /dev/shm or among the
# System V objects has failed.
#
# Places are functions, called by the name they are asked for (SC2317), and much
# of them is text for a shell in a namespace (SC2016, SC2089, SC2090).
# shellcheck disable=SC2317,SC2016,SC2089,SC2090
set -uo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CHECK=$(realpath "${CHECK:-$top/build/release/check}")
export CHECK top
readonly USER_A=30001 USER_B=30002 # not the tests' own ALICE and BOB
TIME=${TIME:-900} # seconds, for one place

# -- what places are made of --------------------------------------------------

# Runs a shell text where mounts are nobody else's.
in_mounts() {
    unshare -m --propagation private bash -euc "$FRESH$1"
}

# fresh MOUNT...: that on /tmp, and this checkout still there if it was in /tmp.
readonly FRESH='
fresh() {
    mount --rbind "$top" /mnt
    "$@" /tmp
    mkdir -p "$top"
    mount --move /mnt "$top"
    cd "$top"
}
'

as_user() {
    setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

without_right() { # RIGHT[,RIGHT...] COMMAND...
    setpriv --bounding-set "-${1//,/,-}" --inh-caps -all "${@:2}"
}

# What docker and podman leave a root of theirs.
readonly CONTAINER=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,\
+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,\
+setfcap

# A root directory with programs and this checkout, a few devices, nothing else.
# Text for in_mounts, which ends with $root as the directory.
readonly BARE='
root=/mnt; mount -t tmpfs root $root
for dir in bin sbin lib lib32 lib64 usr etc; do
    [ -d "/$dir" ] || continue
    mkdir "$root/$dir"; mount --rbind "/$dir" "$root/$dir"
done
mkdir -p "$root"/{dev,proc,run,var/log,root,tmp} "$root/$top"
chmod 1777 "$root/tmp"; mount --bind "$top" "$root/$top"
for node in null zero full random urandom; do
    touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"
done
cd /
'
export BARE CONTAINER FRESH

# -- less root -----------------------------------------------------------------

place_root() { "$CHECK"; }
place_user() { as_user "$USER_A" "$CHECK"; }
place_chroot() { in_mounts "$BARE"'chroot "$root" "$CHECK"'; }
place_chroot_proc() {
    in_mounts "$BARE"'mount -t proc proc "$root/proc"
        chroot "$root" "$CHECK"'
}
place_chroot_user() {
    in_mounts "$BARE"'mount -t proc proc "$root/proc"
        chroot --userspec=30001:30001 "$root" "$CHECK"'
}
place_container() {
    in_mounts "$BARE"'mount -t proc proc "$root/proc"
        mkdir "$root"/dev/{shm,mqueue}
        mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
        mount -t mqueue mqueue "$root/dev/mqueue"
        setpriv --bounding-set "$CONTAINER" chroot "$root" "$CHECK"'
}
place_no_admin() { without_right sys_admin "$CHECK"; }
place_no_resource() { without_right sys_resource "$CHECK"; }
place_no_ptrace() { without_right sys_ptrace "$CHECK"; }
place_no_rights() { setpriv --bounding-set -all "$CHECK"; }
place_userns_root() { as_user "$USER_A" unshare -r "$CHECK"; }

# -- file systems --------------------------------------------------------------

place_nosuid() {
    in_mounts 'fresh mount -t tmpfs -o nosuid,mode=1777 t; "$CHECK"'
}
place_noexec() {
    in_mounts 'fresh mount -t tmpfs -o noexec,nosuid,mode=1777 t; "$CHECK"'
}
place_user_noexec() {
    in_mounts 'fresh mount -t tmpfs -o noexec,nosuid,mode=1777 t
        setpriv --reuid 30001 --regid 30001 --clear-groups "$CHECK"'
}
place_no_shm() {
    in_mounts 'mount -t tmpfs -o ro,mode=755 none /dev/shm
        setpriv --bounding-set -sys_admin "$CHECK"'
}
place_user_no_shm() {
    in_mounts 'mount -t tmpfs -o ro,mode=755 none /dev/shm
        setpriv --reuid 30001 --regid 30001 --clear-groups "$CHECK"'
}
place_tmpdir() {
    mkdir -m 1777 '/tmp/else where'
    TMPDIR='/tmp/else where' "$CHECK" && rmdir '/tmp/else where'
}
place_tmpdir_missing() { TMPDIR=/nowhere/at/all "$CHECK"; }

# -- limits --------------------------------------------------------------------

# A root with CAP_SYS_RESOURCE would raise it again.
place_no_queues() { (ulimit -q 0 && without_right sys_resource "$CHECK"); }
place_user_no_queues() { (ulimit -q 0 && as_user "$USER_A" "$CHECK"); }
place_few_queues() {
    (ulimit -q 200000 && as_user "$USER_A" "$CHECK")
}

# -- what is inherited ---------------------------------------------------------

place_fd3() { "$CHECK" 3</dev/null 7</dev/null 200</etc/passwd; }
place_closed() {
    local status=0
    bash -c '"$CHECK" <&- >&- 2>&-' || status=$?
    echo "ended with $status"
    return "$status"
}
place_signals() {
    # timeout ignores none; env of coreutils can.
    env --ignore-signal=PIPE,TERM,HUP,INT,CHLD,USR1 \
        --block-signal=TERM,USR1,USR2,CHLD,ALRM,HUP,INT,34 "$CHECK"
}
place_environment() {
    env -u HOME LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 TZ=Asia/Kathmandu \
        POSIXLY_CORRECT=1 IPCLAB_DIR=/nowhere XDG_RUNTIME_DIR=/nowhere "$CHECK"
}
place_empty_environment() {
    env -i ${CK_RUN_SUITE:+CK_RUN_SUITE="$CK_RUN_SUITE"} "$CHECK"
}
place_umask() { (umask 077 && "$CHECK"); }
place_nice() { nice -n 19 "$CHECK"; }
place_one_cpu() { taskset -c 0 "$CHECK"; }
# All tests in one process are refused, by a sentence.
place_no_fork() {
    CK_FORK=no "$CHECK"
    [ $? = 64 ]
}

# -- company -------------------------------------------------------------------

place_busy() {
    local loops=() status
    for _ in 1 2 3 4; do
        (while :; do :; done) &
        loops+=($!)
    done
    "$CHECK"
    status=$?
    kill "${loops[@]}"
    return "$status"
}

# Two commands at once: both must succeed.
both() {
    local other status
    bash -c "$1" &
    other=$!
    bash -c "$2"
    status=$?
    wait "$other" && return "$status"
}
readonly A="setpriv --reuid $USER_A --regid $USER_A --clear-groups"
readonly B="setpriv --reuid $USER_B --regid $USER_B --clear-groups"
place_twice_root() { both '"$CHECK"' '"$CHECK"'; }
place_twice_user() { both "$A"' "$CHECK"' "$A"' "$CHECK"'; }
place_two_users() { both "$A"' "$CHECK"' "$B"' "$CHECK"'; }
place_beside_bench() {
    local bench results status
    results=$(mktemp -d)
    chown "$USER_A" "$results"
    set -m # the loop and what it runs are one process group
    (cd "$results" && while :; do # as long as the tests last
        as_user "$USER_A" "${CHECK%/*}/ipcbench" run --quick -o r
    done) >/dev/null 2>&1 &
    bench=$!
    as_user "$USER_A" "$CHECK"
    status=$?
    kill -- "-$bench"
    rm -rf "$results"
    return "$status"
}

# -- the run -------------------------------------------------------------------

all_places() {
    declare -F | sed -n 's/^declare -f place_//p'
}

# What the run of a place has left, where nobody else is.
left() {
    find /tmp /dev/shm -mindepth 1 -path "$top" -prune -o -print |
        while read -r path; do
            [[ $top/ == "$path"/* ]] || echo "left behind: $path"
        done
    tail -qn +2 /proc/sysvipc/{msg,sem,shm} |
        awk '{print "left behind: System V", $2}'
    mount -t mqueue mqueue /mnt && find /mnt -mindepth 1 -printf 'left behind: %f\n'
}

# In a mount and an IPC namespace of its own, with /tmp and /dev/shm empty.
if [ "${1:-}" = --one ]; then
    eval "$FRESH"
    fresh mount --bind "$3"
    mount -t tmpfs -o mode=1777 shm /dev/shm
    "place_$2"
    status=$?
    left
    exit "$status"
fi

failed=0
run_place() {
    local name=$1 log=$LOGS/$1.log status sum rest
    mkdir -m 1777 "$LOGS/tmp"
    chmod 1777 "$LOGS/tmp"
    timeout -k 10 "$TIME" unshare -m -i --propagation private \
        "$0" --one "$name" "$LOGS/tmp" >"$log" 2>&1 </dev/null
    status=$?
    rm -rf "$LOGS/tmp"
    sum=$(grep -hE '^[0-9]+%: Checks:' "$log" | tail -n 1)
    rest=$(sed -n 's/^not run here: \([0-9]*\) check.*/\1/p' "$log" |
        awk '{n += $1} END {print n + 0}')
    if [ "$status" = 0 ] && ! grep -q '^left behind' "$log"; then
        printf '%-18s green  %s; %s not run\n' "$name" "$sum" "$rest"
    else
        printf '%-18s FAILED (%s)  %s; %s not run; see %s\n' "$name" \
            "$status" "$sum" "$rest" "$log"
        failed=1
    fi
}

if [ "${1:-}" = --list ]; then
    all_places
    exit
fi
if [ "$(id -u)" != 0 ]; then
    echo "places.sh: most places can be made by root only" >&2
    exit 77
fi
kept=${LOGS:-}
LOGS=${LOGS:-$(mktemp -d /tmp/places-XXXXXX)}
mkdir -p "$LOGS"
[ $# -gt 0 ] || mapfile -t places < <(all_places)
for name in "${@:-${places[@]}}"; do
    run_place "$name"
done
if [ "$failed" = 0 ] && [ -z "$kept" ]; then
    rm -rf "$LOGS"
fi
exit "$failed"
