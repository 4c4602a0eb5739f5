#!/bin/sh
# try.sh - is the Debian package one?  Run by root in a system that may be
# changed (make fresh PACKAGE=1 makes one): builds the packages, asks lintian,
# installs them, uses what they brought as a user does, takes them out again, and
# looks for what stayed.  Ends with "the package: all well", or at the first
# thing that is not.
set -eux
cd "$(dirname "$0")/../.."
export DEBIAN_FRONTEND=noninteractive
unset MAKEFLAGS # dpkg-buildpackage has its own
work=$(mktemp -d)
server=
# shellcheck disable=SC2317 # a trap calls it
finish() {
    [ -z "$server" ] || kill "$server"
    rm -rf "$work"
}
trap finish EXIT

all_files() { # of the places where packages put theirs
    find /usr /etc -xdev ! -name '__pycache__' ! -path '*/ld.so.cache*' |
        LC_ALL=C sort
}

make deps FOR=deb
make deb
# Newer lintians know newer policies; an error is one under each of them.
lintian --allow-root --fail-on error build/deb/*.deb

apt-get install -y --no-install-recommends gcc libc6-dev pkg-config bash
all_files >"$work/before"
apt-get install -y --no-install-recommends ./build/deb/*.deb

# What it brought.
for program in ipcd ipcctl ipcbench ipclab nslab; do
    command -v $program
    $program --version
done
for page in man8/ipcd.8 man1/ipcctl.1 man1/ipcbench.1 man1/ipclab.1 \
    man1/nslab.1 man7/ipclab-protocol.7; do
    dpkg -L ipclab | grep "/usr/share/man/$page.gz"
    # A minimal system leaves pages out (dpkg.cfg.d); where it has not, they are
    # not empty.
    [ ! -e "/usr/share/man/$page.gz" ] || gzip -t "/usr/share/man/$page.gz"
done
# shellcheck disable=SC2016 # the inner shell's
bash -c '. /usr/share/bash-completion/completions/ipcctl
    COMP_WORDS=(ipcctl -m socket/s) COMP_CWORD=2
    _ipclab ipcctl socket/s -m
    printf "%s\n" "${COMPREPLY[@]}"' | grep -x socket/stream

# A server, a client, and the program outside the tree: an ordinary user's, for
# in a bare chroot root's server cannot give up what it should, and refuses.
chown 1234 "$work"
IPCLAB_DIR=$work/run
export IPCLAB_DIR
user='setpriv --reuid 1234 --regid 1234 --clear-groups'
mkfifo -m 666 "$work/ready"
$user ipcd -m socket/stream -m fifo/perclient --ready-fd=3 3>"$work/ready" &
server=$!
cat "$work/ready" # until it is ready, or has ended
$user ipcctl -m socket/stream whoami
$user ipcctl -m fifo/perclient hello World | grep 'Hello World'
cp harness/packaging/example.c "$work"
# shellcheck disable=SC2046 # words
gcc -Wall -Wextra -Werror -o "$work/example" "$work/example.c" \
    $(pkg-config --cflags --libs ipclab)
$user "$work/example" | grep -x 'Hello World'
kill "$server"
wait "$server"
server=

# And out again.
apt-get purge -y ipclab libipclab-dev
all_files >"$work/after"
diff "$work/before" "$work/after" >"$work/stayed" ||
    ! grep -i ipc "$work/stayed"
set +x
echo "the package: all well"
