# wrong: what one write(2) did not take is not written
# caught: conformance/signals_do_not_disturb_calls
# because: partial write: a signal ends a write(2) in the middle, which says how much it took
# told: 4 a signal ends a read\(2\) or a write\(2\) in the middle
/block (send|reply):/,/end:/s/return write_all\((.*), msg\);/return write(\1, msg->buf, msg->len) == -1 ? -errno : 0;/
