/* steps.c - steps.def as two tables (steps.h). */
#include "lab/steps.h"

#include <stddef.h>

enum kind { IS_STEP, IS_EXPERIMENT, IS_BARE, IS_CALL, IS_HINT, IS_READING };

#define STEP(number, points, requires, title) \
    {IS_STEP, number, points, requires, title, NULL},
#define EXPERIMENT(suite, test, checking) \
    {IS_EXPERIMENT, 0, 0, 0, checking, #suite "/" #test},
#define BARE_EXPERIMENT(suite, test, checking) \
    {IS_BARE, 0, 0, 0, checking, #suite "/" #test},
#define CALL(names)   {IS_CALL, 0, 0, 0, names, NULL},
#define HINT(text)    {IS_HINT, 0, 0, 0, text, NULL},
#define READING(text) {IS_READING, 0, 0, 0, text, NULL},

static const struct row {
    enum kind kind;
    int number, points, requires;
    const char *text, *name;
} rows[] = {
#include "lab/steps.def"
};

struct step steps[STEPS + 1];
struct experiment experiments[MOST_EXPERIMENTS];
int experiment_count;

static void
add_hint(struct step *s, const char *text)
{
    for (int i = 0; i < HINTS; i++)
        if (s->hints[i] == NULL) {
            s->hints[i] = text;
            return;
        }
}

static void
load(const struct row *r, int step)
{
    struct step *s = &steps[step];

    switch (r->kind) {
    case IS_STEP:
        *s = (struct step){
            .title = r->text, .points = r->points, .requires = r->requires};
        break;
    case IS_EXPERIMENT:
    case IS_BARE:
        experiments[experiment_count++] =
            (struct experiment){.step = step,
                                .name = r->name,
                                .checking = r->text,
                                .bare = r->kind == IS_BARE};
        break;
    case IS_CALL:
        s->calls = r->text;
        break;
    case IS_HINT:
        add_hint(s, r->text);
        break;
    case IS_READING:
        s->reading = r->text;
        break;
    }
}

void
steps_load(void)
{
    int step = 0;

    experiment_count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].kind == IS_STEP)
            step = rows[i].number;
        load(&rows[i], step);
    }
}
