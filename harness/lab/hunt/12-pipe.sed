# wrong: what one write(2) did not take is not written
# caught: conformance/signals_do_not_disturb_calls
# because: partial write: a signal ends a write(2) in the middle, which says how much it took
/^send_all/,/^}/s/while \(done < msg->len\)/if (done < msg->len)/
