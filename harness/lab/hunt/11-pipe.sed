# wrong: one read(2) is taken for a whole message
# caught: conformance/the_largest_message_passes_intact
# because: partial read: a read(2) brings at most what is in the pipe, and that is less
# told: 2 shorter ones pass: one read\(2\) or write\(2\) is taken for all
/^receive/,/^}/{
s/^    while \(\((got = frames_take\(in, msg\))\) == 0 && err == 0\) \{/    got = frames_take(in, msg);\n    if (got == 0) {/
s/^    return got < 0 \? got : err;/    if (got == 0 \&\& err == 0 \&\& (got = frames_take(in, msg)) == 0)\n        got = -EBADMSG;\n&/
}
