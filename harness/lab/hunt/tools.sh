# tools.sh - what a test in a hunt may call (hunt.sh).
#
#       serve        starts the server; it is ready; its pid is $server
#       ctl ...      ipcctl: ctl hello World
#       stop         ends the server, in peace
#
# Of a spawned mechanism there is no server to be started: each `ctl` has its own.
# shellcheck shell=sh
set -eu

ctl() {
    "$BIN/ipcctl" -m "$M" "$@"
}

serve() {
    root=
    [ "$(id -u)" != 0 ] || root=--keep-root
    mkfifo "$IPCLAB_DIR/ready"
    "$BIN/ipcd" $root --ready-fd 3 -m "$M" 3> "$IPCLAB_DIR/ready" &
    echo $! > "$IPCLAB_DIR/server"
    # A line says its process and its endpoint.  $! is who has started it.
    # shellcheck disable=SC2034 # the test uses it
    read -r server _ < "$IPCLAB_DIR/ready" || exit 1
    rm "$IPCLAB_DIR/ready"
}

stop() {
    kill "$(cat "$IPCLAB_DIR/server")"
    wait
}

# Whatever the test has left, and however it ended.
clear_up() {
    if [ -e "$IPCLAB_DIR/server" ]; then
        kill -KILL "$(cat "$IPCLAB_DIR/server")" 2> /dev/null || :
    fi
    "$BIN/ipcd" --sweep --run-dir "$IPCLAB_DIR" > /dev/null 2>&1 || :
}
