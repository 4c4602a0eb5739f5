# wrong: a reply that came too late is not thrown away
# caught: conformance/a_timeout_is_not_early_and_the_late_reply_goes_unheard
# because: the reply of another: the next recv() finds the answer to the request that was given up
/block send:/,/end:/s/^    if \(c->due\)$/    if (false)/
