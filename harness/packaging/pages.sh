#!/bin/sh
# The manual pages: pages.sh BIN DIR writes into DIR what the programs in BIN say
# of themselves (--help), with what stands in harness/packaging/man/ about each,
# and the protocol (ipcctl describe --page).  Nothing is said twice, so that
# nothing can contradict.
#
# help2man and lowdown write them (make deps); without, exit status 3.
set -eu

if ! command -v help2man >/dev/null || ! command -v lowdown >/dev/null; then
    echo "no manual pages: help2man or lowdown is missing (make deps)" >&2
    exit 3
fi
if [ ! -x "${1-}/ipcctl" ] || [ -z "${2-}" ]; then
    echo "usage: pages.sh BIN DIR   (BIN: where ipcd and ipcctl are)" >&2
    exit 64
fi
here=$(dirname "$0")
if ! "$1/ipcctl" --version >/dev/null 2>&1; then
    echo "no manual pages: the programs do not run here" >&2
    exit 3
fi
mkdir -p "$2"
dir=$(cd "$2" && pwd)
PATH=$(cd "$1" && pwd):$PATH # help2man takes words, not names with blanks
version=$(sed -n 's/.*IPCLAB_VERSION "\(.*\)"/\1/p' "$here/../core/version.h")
trap 'rm -f "$dir/options"' EXIT

# What `ipcbench VERB --help` tells between its first sentence and --help.
verb_options() {
    echo "[OPTIONS OF $(echo "$1" | tr '[:lower:]' '[:upper:]')]"
    help2man --no-info --name=x "ipcbench $1" |
        sed -n '/^\.SH DESCRIPTION/,/^\\-?, /p' | sed '1d;$d' | sed '$d'
    echo
}

page() { # SECTION PROGRAM WHAT_IT_IS
    help2man --no-info --section="$1" --source="ipclab $version" \
        --manual="ipclab" --name="$3" --include="$here/man/$2.h2m" \
        --opt-include="$dir/options" --output="$dir/$2.$1" "$2"
}

page 8 ipcd "serve the ipclab protocol over mechanisms of IPC"
page 1 ipcctl "call a method of an ipclab server"
page 1 ipclab "why a process makes no progress, and the rest of the course"
page 1 nslab "see what a child in new namespaces sees"
for verb in list run report compare isolate; do
    verb_options $verb
done >"$dir/options"
page 1 ipcbench "compare the mechanisms of inter-process communication"

# Its first line says that tbl(1) has to see it first: man(1).
printf "'\\\\\" t\n" >"$dir/ipclab-protocol.7"
{
    printf '# NAME\n\nipclab-protocol - requests and replies of the ipclab server\n\n'
    ipcctl describe --page
} | lowdown -s -Tman -M title=IPCLAB-PROTOCOL -M section=7 \
    -M "source=ipclab $version" -M volume=ipclab |
    sed 's/^\.TH .*/&\n.ad l/' >>"$dir/ipclab-protocol.7" # tables are narrow
