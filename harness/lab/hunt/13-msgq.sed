# wrong: the length of the message is given with its type
# caught: conformance/an_empty_message_is_a_message
# because: wrong byte count: msgsnd(2) counts the text alone; the frame has 8 bytes too many
# told: 2 next\(\) brought ([0-9]+) bytes, and the header in them says.*too many.*client's half
/block send:/,/end:/s/TEXT\(msg->len\), 0\)/sizeof(long) + TEXT(msg->len), 0)/
