# wrong: the answer has the type of the requests
# caught: conformance/an_empty_message_is_a_message
# because: wrong type: the server itself takes its answer, and the client waits for its own type
# told: 2 are a reply: the server's own has come back.*server's half
/block reply:/,/end:/s/s->m.type = .*/s->m.type = REQUESTS + 0 * (long)req->reply_to;/
