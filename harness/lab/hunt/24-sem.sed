# wrong: the file is not cut to the length of the message
# caught: conformance/the_largest_message_passes_intact
# because: wrong framing: what is left of the longer message before stands behind a shorter one
# told: 3 recv\(\) brought [0-9]+ bytes, and the header in them says.*too many: .*what is left of a longer one before
s/put_message\(([^,]*), ([^,]*), ([^,]*)\)/(pwrite(\1, \2, \3, 0) == -1 ? -errno : 0)/
