# wrong: nobody posts turn after a notice
# caught: conformance/a_notice_is_not_answered_and_a_request_is
# because: deadlock: who wants no answer does not wait to pass the turn on, and all wait for it
# told: 3 its value is 0.*Nobody has posted.*work_send
/block next:/,/end:/{
/if \(!wire_wants_reply/d
/sem_post\(box->sem\[TURN\]\)/d
}
