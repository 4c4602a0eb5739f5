/* alternate.c - one bit there and one back, over a channel that loses. */
#define _GNU_SOURCE /* siginfo_t */
#include "alternate.h"

#include <errno.h>

static const int bit_number[2][2] = {{SIGUSR1, SIGUSR2}, {SIGURG, SIGIO}};

static bool
turn_of(int number)
{
    return number == SIGURG || number == SIGIO;
}

static bool
value_of(int number)
{
    return number == SIGUSR2 || number == SIGIO;
}

void
alternate_prepare(struct link *l)
{
    l->code = SI_USER;
    sigemptyset(&l->set);
    for (int i = 0; i < 4; i++)
        sigaddset(&l->set, bit_number[i / 2][i % 2]);
}

int
alternate_ask(struct asker *a, bool bit, int64_t deadline)
{
    if (a->question == 0) {
        /* Whatever is pending now is late: answers to what was asked twice,
         * other people's signals.  Nothing is on its way to us. */
        link_drain(&a->link);
        a->turn = !a->turn;
        a->question = bit_number[a->turn][bit];
    }
    for (;;) {
        int64_t again = now_ns() + ASK_AGAIN;
        int err = link_send(&a->link, a->question, NULL);

        if (err != 0)
            return err;
        do
            err =
                link_wait(&a->link, NULL, again < deadline ? again : deadline);
        while (err > 0 && turn_of(err) != a->turn);
        if (err > 0) {
            a->question = 0;
            return value_of(err);
        }
        if (err != -ETIMEDOUT || time_left(deadline) == 0)
            return err;
    }
}

int
alternate_hear(struct answerer *a, int64_t deadline)
{
    int number, err;

    for (;;) {
        number = link_wait(&a->link, NULL, deadline);
        if (number < 0)
            return number;
        if (turn_of(number) != a->turn)
            break;
        err = link_send(&a->link, a->answer, NULL); /* it was lost */
        if (err != 0)
            return err;
    }
    /* What is pending now was sent before this question. */
    link_drain(&a->link);
    a->turn = !a->turn;
    return value_of(number);
}

int
alternate_answer(struct answerer *a, bool bit)
{
    a->answer = bit_number[a->turn][bit];
    return link_send(&a->link, a->answer, NULL);
}
