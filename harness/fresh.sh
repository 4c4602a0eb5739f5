#!/bin/sh
# fresh.sh - does it work where nothing is installed yet?
#
#   SUITE=bookworm|trixie|sid [ARCH=arm64|i386|s390x] harness/fresh.sh
#
# (make fresh) makes a bare Debian that has make and nothing else, puts a clone
# of HEAD into it, and runs there what README.md tells a new user to run: as
# root, and as an ordinary user.  For a foreign processor it compiles there with
# Debian's cross compiler, and qemu-user runs the tests that no kernel takes part
# in (make unit).  Ends with what was run, how it went, and how many warnings
# were in its log.
#
#   LOGS=DIR    where the logs go; otherwise a new directory under /tmp
#   CACHE=DIR   keeps the bare system and the packages: a second run is quick
#   MIRROR=URL  where Debian is
#   WHAT=LIST   of these, "hello commands" otherwise:
#               hello     make hello, where there is a compiler and nothing else
#               commands  the two commands
#               builds    all ways (asan, tsan, cov; gcc and clang)
#               package   builds, installs, uses and purges the Debian package
#
# Everything is mounted in namespaces of its own, and the system is in one
# temporary directory: when this ends, or is killed, nothing stays mounted.
set -eu

me=$(realpath "$0")
machine=$(dpkg --print-architecture 2>/dev/null) || machine=none
arch=${ARCH:-$machine}
case $arch in
arm64) foreign=aarch64 ;;
i386) foreign=i686 ;;
*) foreign=$arch ;;
esac
[ "$arch" != "$machine" ] || foreign=''
suite=${SUITE-}
user=1000

refuse() {
    echo "make fresh: $*" >&2
    exit 64
}

# -- inside: process 1 of the namespaces ---------------------------------------

# What a bare container has.
mount_all() {
    root=$1
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t tmpfs -o mode=755,nosuid dev "$root/dev"
    for node in null zero full random urandom tty; do
        : > "$root/dev/$node"
        mount --bind "/dev/$node" "$root/dev/$node"
    done
    mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 pts "$root/dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev shm "$root/dev/shm"
    mount -t mqueue -o nosuid,nodev,noexec mqueue "$root/dev/mqueue" ||
        rmdir "$root/dev/mqueue" # a kernel without them
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s /proc/self/fd/0 "$root/dev/stdin"
    ln -s /proc/self/fd/1 "$root/dev/stdout"
    ln -s /proc/self/fd/2 "$root/dev/stderr"
    if [ -n "${CACHE-}" ]; then
        mount --bind "$CACHE/$suite-$arch" "$root/var/cache/apt/archives"
    fi
}

# The kernel starts qemu for the programs of that processor.  The entry is the
# kernel's, not the namespace's: forget_binfmt takes it away.
know_binfmt() {
    mount -t binfmt_misc binfmt_misc "$1"
    # ELF, 64 bits, byte order; the type (ET_EXEC or ET_DYN) and the processor.
    zeros='\x00\x00\x00\x00\x00\x00\x00\x00\x00'
    ident='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff'
    case $foreign in
    aarch64)
        magic='\x7fELF\x02\x01\x01'$zeros'\x02\x00\xb7\x00'
        mask=$ident'\xfe\xff\xff\xff'
        ;;
    s390x)
        magic='\x7fELF\x02\x02\x01'$zeros'\x00\x02\x00\x16'
        mask=$ident'\xff\xfe\xff\xff'
        ;;
    esac
    printf '%s\n' ":$2:M::$magic:$mask:$qemu:F" > "$1/register"
}

# shellcheck disable=SC2317 # finish() calls it
forget_binfmt() {
    # shellcheck disable=SC2016 # the inner shell's
    unshare --mount sh -c 'mount -t binfmt_misc binfmt_misc "$1"
        [ ! -e "$1/$2" ] || echo -1 > "$1/$2"' sh "$@"
}

# enter ROOT UID COMMAND...: with the environment of somebody who just logged in.
enter() {
    root=$1 uid=$2
    shift 2
    home=/home/fresh name=fresh
    [ "$uid" != 0 ] || home=/root name=root
    # shellcheck disable=SC2016 # the inner shell's
    chroot --userspec="$uid:$uid" --groups= "$root" \
        env -i HOME="$home" USER="$name" LOGNAME="$name" TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        MAKEFLAGS="-j$(nproc)" sh -c 'cd ~/ipclab && exec "$@"' sh "$@" \
        </dev/null
}

# run UID COMMAND...: a line of the summary.
run() {
    uid=$1
    shift
    number=$((number + 1))
    who=root
    [ "$uid" = 0 ] || who=user
    log=$LOGS/$number-$who-$(echo "$*" | tr -cs 'a-zA-Z0-9\n' '-').log
    echo "  $who: $*"
    result=ok
    enter "$root" "$uid" "$@" > "$log" 2>&1 || result="FAILED ($?)"
    warnings=$(grep -aic 'warning:' "$log" || :)
    [ "$result" = ok ] && [ "$warnings" = 0 ] || failed=1
    printf '%-14s %3d warnings  %-5s %s\n' "$result" "$warnings" "$who" "$*" \
        >> "$LOGS/summary"
}

inside() {
    work=$1
    root=$work/root number=0 failed=0
    [ -z "$qemu" ] || know_binfmt "$work/binfmt" "$entry"
    make_system
    mount_all "$root"
    echo "fresh:x:$user:$user::/home/fresh:/bin/sh" >> "$root/etc/passwd"
    echo "fresh:x:$user:" >> "$root/etc/group"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    mkdir "$root/home/fresh"
    cp -R "$work/ipclab" "$root/root"
    cp -R "$work/ipclab" "$root/home/fresh"
    chown -R "$user:$user" "$root/home/fresh"

    if [ -n "$foreign" ]; then
        chroot "$root" dpkg --add-architecture "$arch"
        run 0 make deps CC="$foreign-linux-gnu-gcc"
        run $user make deps unit CC="$foreign-linux-gnu-gcc"
        return
    fi
    for what in ${WHAT:-hello commands}; do
        "try_$what"
    done
}

# shellcheck disable=SC2317 # called by their names, all four
try_hello() {
    run 0 apt-get update
    run 0 apt-get install -y --no-install-recommends gcc libc6-dev
    for uid in 0 $user; do
        run $uid make hello
    done
}

# shellcheck disable=SC2317
try_commands() {
    for uid in 0 $user; do
        run $uid make deps bench
        run $uid make deps check
    done
}

# shellcheck disable=SC2317
try_builds() {
    run 0 make deps FOR=lint
    for compiler in gcc clang; do
        for way in release asan tsan cov; do
            run 0 make WERROR=1 CC="$compiler" V="$way"
        done
    done
}

# shellcheck disable=SC2317
try_package() {
    run 0 apt-get update
    run 0 harness/packaging/try.sh
}

# A bare system in $root, from the cache if it is there.
make_system() {
    kept=${CACHE:+$CACHE/$suite.tar}
    if [ -n "$kept" ] && [ -e "$kept" ]; then
        tar -xpf "$kept" -C "$root" --numeric-owner
        return
    fi
    echo "  debootstrap $suite"
    debootstrap --variant=minbase --include=make \
        ${CACHE:+--cache-dir="$CACHE/$suite-$arch"} \
        "$suite" "$root" ${MIRROR:+"$MIRROR"} > "$LOGS/0-debootstrap.log" 2>&1 ||
        { tail -n 3 "$LOGS/0-debootstrap.log"; return 1; }
    if [ -n "$kept" ]; then
        tar -cpf "$kept.$$" -C "$root" --numeric-owner . && mv "$kept.$$" "$kept"
    fi
}

# -- outside -------------------------------------------------------------------

# Killing process 1 of the namespaces kills all that are in them; unshare ends
# when the last is gone.
# shellcheck disable=SC2317 # a trap calls it
finish() {
    status=$?
    trap '' INT TERM HUP
    if [ -n "${child-}" ]; then
        read -r first < "/proc/$child/task/$child/children" || :
        kill -KILL "${first:-$child}" 2>/dev/null || :
        wait
    fi
    [ -z "$qemu" ] || forget_binfmt "$work/binfmt" "$entry"
    rm -rf --one-file-system "$work"
    exit "$status"
}

check_arguments() {
    for what in ${WHAT-}; do
        case $what in
        hello | commands | builds | package) ;;
        *) refuse "WHAT=$what is none of hello, commands, builds, package" ;;
        esac
    done
    case $suite in
    '') refuse 'SUITE=bookworm, trixie or sid?' ;;
    *[!a-z]*) refuse "SUITE=$suite is no name of a Debian" ;;
    esac
    [ "$(id -u)" = 0 ] || refuse 'only root can make a system in a directory'
    for tool in debootstrap unshare setpriv git; do
        command -v $tool >/dev/null || refuse "$tool is missing (install $tool)"
    done
    qemu=''
    case $machine.$arch in
    "$machine.$machine" | amd64.i386) ;;
    *.arm64 | *.s390x)
        qemu=$(command -v "qemu-$foreign-static" || command -v "qemu-$foreign") ||
            refuse "qemu-$foreign-static is missing (install qemu-user-static)"
        ;;
    *.i386) refuse 'i386 needs an x86-64 machine' ;;
    *) refuse "ARCH=$arch is none of arm64, i386, s390x, $machine" ;;
    esac
}

if [ "${1-}" = inside ]; then
    inside "$2"
    exit "$failed"
fi

check_arguments
work=$(mktemp -d "${TMPDIR:-/tmp}/fresh.XXXXXX")
entry=ipclab-$arch-$$
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
chmod 755 "$work"
mkdir "$work/root" "$work/binfmt"
LOGS=${LOGS:-$(mktemp -d "${TMPDIR:-/tmp}/fresh-$suite-$arch.XXXXXX")}
mkdir -p "$LOGS" ${CACHE:+"$CACHE/$suite-$arch/partial"}
LOGS=$(realpath "$LOGS") CACHE=${CACHE:+$(realpath "$CACHE")}
rm -f "$LOGS"/[0-9]-*.log "$LOGS"/[0-9][0-9]-*.log
: > "$LOGS/summary"
git clone --quiet "$(dirname "$me")/.." "$work/ipclab"

echo "make fresh: $suite $arch, $(git -C "$work/ipclab" log -1 --format='%h %s')"
export SUITE="$suite" ARCH="$arch" WHAT="${WHAT-}" LOGS CACHE qemu entry
setpriv --pdeathsig KILL unshare --mount --propagation private --ipc --uts --pid --fork \
    --kill-child=KILL "$me" inside "$work" &
child=$!
status=0
wait "$child" || status=$?
child=
cat "$LOGS/summary"
[ "$status" = 0 ] && result='all well' || result="FAILED"
echo "make fresh: $suite $arch: $result; logs in $LOGS"
exit "$status"
