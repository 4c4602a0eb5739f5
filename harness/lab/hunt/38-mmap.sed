# wrong: recv() that gives up does not say so to send()
# caught: conformance/a_timeout_is_not_early_and_the_late_reply_goes_unheard
# because: the next send() is -EBUSY for ever: it thinks that the reply is still to be fetched
# told: 4 recv\(\) that gives up has to remember it
/block recv:/,/end:/{
/if \(err == -ETIMEDOUT\)/d
/c->turn = THEIRS;/d
}
