# wrong: nobody posts back after a notice
# caught: conformance/a_notice_is_not_answered_and_a_request_is
# because: lost wake-up: who wants no answer gets none, and waits for the slot all the same, before it sends again
# told: 3 its value is 0.*Nobody has posted.*work_send
/block next:/,/end:/{
/if \(!wire_wants_reply/d
/sem_post\(&slot->back\)/d
}
