# wrong: all clients have the same type
# caught: crowd/four_clients_never_get_each_others_replies
# because: the reply of another: msgrcv(2) takes the oldest message of the type, whoever it is for
# told: 5 another client has taken it
s/^    c->reply_type = .*/    c->reply_type = 2 + 0 * own;/
