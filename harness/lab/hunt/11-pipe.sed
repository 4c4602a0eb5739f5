# wrong: one read(2) is taken for a whole message
# caught: conformance/the_largest_message_passes_intact
# because: partial read: a read(2) brings at most what is in the pipe, and that is less
/^receive/,/^}/{
s/^    while (\(\(got = .* == 0\)) \{/    for (got = 0; got == 0;) {/
s/frames_add\(in, \(size_t\)n\);/& if ((got = frames_take(in, msg)) == 0) return -EBADMSG;/
}
