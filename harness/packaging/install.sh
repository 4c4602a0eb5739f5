#!/bin/sh
# What is installed, and where: install.sh install|uninstall PROGRAM...  Called by
# make, which says in the environment where the programs are (O) and the places
# are (DESTDIR, PREFIX, BINDIR ...).
set -eu
umask 022
here=$(dirname "$0")

# Calls its argument with MODE FILE DIRECTORY NAME for each file: one list, so
# that what comes goes again.
each() {
    for program in $programs; do
        "$1" 755 "$O/$program" "$BINDIR" "$program"
    done
    for page in ipcd.8 ipcctl.1 ipcbench.1 ipclab.1 nslab.1 ipclab-protocol.7; do
        "$1" 644 "$man/$page" "$DATADIR/man/man${page#*.}" "$page"
    done
    "$1" 644 "$here/completion.bash" "$DATADIR/bash-completion/completions" ipcctl
    for program in ipcd ipcbench ipclab nslab; do
        "$1" link ipcctl "$DATADIR/bash-completion/completions" $program
    done
    "$1" 644 "$here/completion.zsh" "$DATADIR/zsh/site-functions" _ipclab
    # What example.c includes, and what that includes.
    "$1" library "$O/libipclab.a" "$LIBDIR" libipclab.a
    for header in client.h rundir.h api.h api.def ipc.h wire.h; do
        "$1" 644 "$here/../core/$header" "$INCLUDEDIR/ipclab" $header
    done
    "$1" filled "$here/ipclab.pc.in" "$LIBDIR/pkgconfig" ipclab.pc
    for unit in stream seqpacket fifo msgq; do
        "$1" 644 "$here/../server/systemd/ipcd-$unit.socket" \
            "$PREFIX/lib/systemd/system" ipcd-$unit.socket
    done
    "$1" service "$here/../server/systemd/ipcd.service" \
        "$PREFIX/lib/systemd/system" ipcd.service
    "$1" 644 "$here/../server/systemd/ipcd.sysusers" \
        "$PREFIX/lib/sysusers.d" ipcd.conf
}

# name VALUE: as the right side of sed's s|||; % as systemd takes it.
for_sed() {
    printf %s "$1" | sed 's/[&|\]/\\&/g'
}

put() {
    [ -e "$2" ] || [ "$1" = link ] || return 0 # a page: said already
    mkdir -p "$DESTDIR$3"
    case $1 in
    link) ln -sf "$2" "$DESTDIR$3/$4" ;;
    filled)
        sed "s|@PREFIX@|$(for_sed "$PREFIX")|
             s|@LIBDIR@|$(for_sed "$LIBDIR")|
             s|@INCLUDEDIR@|$(for_sed "$INCLUDEDIR")|
             s|@VERSION@|$VERSION|" "$2" >"$DESTDIR$3/$4"
        ;;
    service)
        sed "s|@BINDIR@|$(for_sed "$BINDIR" | sed 's/%/%%/g')|" "$2" \
            >"$DESTDIR$3/$4"
        ;;
    # Without what only this very compiler can read (-flto): another one, or
    # another version, would stumble over it.
    library)
        install -m 644 "$2" "$DESTDIR$3/$4"
        "${OBJCOPY:-objcopy}" -R '.gnu.lto_*' -R '.gnu.debuglto_*' \
            "$DESTDIR$3/$4" || echo "left with what -flto has put there: $4" >&2
        ;;
    *) install -m "$1" "$2" "$DESTDIR$3/$4" ;;
    esac
}

take() {
    rm -f "$DESTDIR$3/$4"
}

verb=${1-}
[ $# -gt 0 ] && shift
programs=$*
case $verb in
install)
    # Not in the build, which is not root's who installs.
    man=$(mktemp -d)
    trap 'rm -rf "$man"' EXIT
    "$here/pages.sh" "$O" "$man" || [ $? = 3 ]
    each put
    echo "$programs: in $DESTDIR$BINDIR; ipcd's units: in" \
        "$DESTDIR$PREFIX/lib/systemd/system"
    ;;
uninstall)
    man=
    each take
    rmdir "$DESTDIR$INCLUDEDIR/ipclab" 2>/dev/null || true
    echo "removed from $DESTDIR$PREFIX"
    ;;
*)
    echo "usage: make install | make uninstall" >&2
    exit 64
    ;;
esac
