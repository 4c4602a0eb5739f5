#!/bin/sh
# try.sh ROOT - do the units work under a real systemd, as pid 1?
#
# ROOT is a Debian of its own, with our programs in it:
#
#     debootstrap --variant=minbase \
#         --include=systemd,systemd-sysv,libjansson4,libcap2,libseccomp2 \
#         bookworm ROOT
#     make install PREFIX=/usr DESTDIR=ROOT
#
# It is booted in namespaces (root is needed, no virtual machine), asked through
# each endpoint by an ordinary user, and shut down.  systemd-analyze(1) finds
# wrong words in a unit; that a filter takes away what the server needs, only
# this does.  Prints what went wrong; the exit status is the number of that.
set -eu

if [ "${2-}" != boot ]; then
    root=$(realpath "$1")
    [ -x "$root/usr/bin/ipcd" ] || { echo "$0: no ipcd in $root" >&2; exit 64; }
    rm -f "$root/tried"
    timeout 90 unshare --fork --pid --mount --uts --ipc --cgroup \
        "$(realpath "$0")" "$root" boot || :
    [ -s "$root/tried" ] || { echo "$0: it did not boot" >&2; exit 1; }
    cat "$root/tried"
    exit "$(grep -c '^no:' "$root/tried" || :)"
fi

cat > "$1/usr/bin/try-endpoints" <<'EOF'
#!/bin/sh
# As an ordinary user: what it asks, and what must be in the answer.
exec > /tried 2>&1
began=$(date '+%F %T') # ROOT may have a journal from the last time
export IPCLAB_DIR=/run/ipclab
user() { setpriv --reuid 1000 --regid 1000 --clear-groups timeout 10 "$@"; }
ask() {
    want=$1 m=$2; shift 2
    got=$(user ipcctl -m "$m" "$@" 2>&1)
    case $got in
        *"$want"*) echo "ok: $m $*" ;;
        *) echo "no: $m $*: $got" ;;
    esac
}
for m in socket/stream socket/seqpacket fifo/perclient msgq/posix; do
    ask uid=1000 $m whoami
    ask ID= $m read_file /etc/os-release 0 100
    ask EACCES $m read_file /etc/shadow 0 100
    ask '' $m append_log "by $m"
    grep -q "by $m" $IPCLAB_DIR/append.log || echo "no: $m append_log"
    # Nobody answers to this; what comes out its user sees, UMask=0077 or not.
    ask '' $m print "job of $m"
    user sh -c "until grep -q 'job of $m' $IPCLAB_DIR/printed; do :; done" ||
        echo "no: $m print"
    ask denied $m set_hostname x
done
ask NAME= socket/stream open_file /etc/os-release
# With rules (try.policy) there is an audit, which the journal has: who asked is
# what the kernel said, whatever he wrote himself.
if journalctl --sync 2>/dev/null; then
    for m in socket/stream socket/seqpacket fifo/perclient msgq/posix; do
        journalctl --no-pager -o cat -u ipcd.service --since "$began" |
            grep -q "mechanism=$m .*uid=1000 .*set_hostname(.*decision=deny" &&
            echo "ok: the journal has it: $m set_hostname" ||
            echo "no: the journal has no denial of $m set_hostname"
    done
else
    echo "not run here: there is no journal to read back"
fi
systemctl restart ipcd.service # the endpoints stay
ask uid=1000 msgq/posix whoami
kill -9 $(systemctl show -p MainPID --value ipcd.service)
while [ "$(systemctl show -p NRestarts --value ipcd.service)" = 0 ]; do
    : # the supervisor's children end, and then there is another one
done
ask uid=1000 fifo/perclient whoami
systemctl stop ipcd.service ipcd-stream.socket ipcd-seqpacket.socket \
    ipcd-fifo.socket ipcd-msgq.socket
left=$(ls -A /run/ipclab /dev/mqueue | grep -v -e : -e append.log -e printed | tr -d '\n')
[ -z "$left" ] && echo "ok: nothing is left" || echo "no: left: $left"
EOF
chmod 755 "$1/usr/bin/try-endpoints"
cat > "$1/etc/systemd/system/try.service" <<'EOF'
[Unit]
After=sockets.target
[Service]
Type=oneshot
ExecStart=/usr/bin/try-endpoints
ExecStopPost=/usr/bin/systemctl exit
[Install]
WantedBy=multi-user.target
EOF
# The unit with rules: any will do, since then each decision leaves a line.
echo 'allow hello any' > "$1/etc/try.policy"
mkdir -p "$1/etc/systemd/system/ipcd.service.d"
{
    printf '[Service]\nExecStart=\n'
    sed -n '/^ExecStart=/,/[^\\]$/p' "$1"/usr/lib/systemd/system/ipcd.service \
        "$1"/lib/systemd/system/ipcd.service 2>/dev/null |
        sed 's/[^\\]$/& --policy \/etc\/try.policy/' |
        awk '{print} !/\\$/ {exit}'
} > "$1/etc/systemd/system/ipcd.service.d/rules.conf"
for unit in logind udevd udev-trigger journald-audit.socket; do
    ln -sf /dev/null "$1/etc/systemd/system/systemd-${unit%.socket}.$(
        [ "${unit%.socket}" = "$unit" ] && echo service || echo socket)"
done
chroot "$1" systemd-sysusers
chroot "$1" systemctl --quiet enable ipcd.service try.service

mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys # those of the whole machine, not ROOT's
mount -t sysfs -o ro sysfs sys
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else # the older, mixed form
    mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/shm dev/mqueue dev/pts dev/hugepages
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t mqueue mqueue dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mkdir -p old
pivot_root . old
umount -l old
exec env -i container=lxc PATH=/usr/bin:/usr/sbin /usr/lib/systemd/systemd \
    --system --show-status=0
