# wrong: the length is kept in 16 bits
# caught: conformance/the_largest_message_passes_intact
# because: wrong byte count: 65536 does not fit, and is 0
# told: 2 shorter ones pass:.*the type of a length is too small
/block (send|reply):/,/end:/s/\(uint32_t\)msg->len/(uint16_t)msg->len/
