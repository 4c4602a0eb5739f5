/*
 * report_tables.c - a run as text, as wide as the terminal; what one wants to
 * see first comes last, where it stays on the screen.
 */
#include "bench/report.h"

#include "bench/grid.h"
#include "bench/plan.h"
#include "core/wrap.h"

#include <math.h>
#include <string.h>

static void
print_failures(const struct summary *s, FILE *f)
{
    char name[SIZE_NAME];

    wrap_say(f, "%ld of %ld cells were disturbed, %ld failed.", s->rejected,
             s->measured, s->failed);
    if (s->lacking > 0)
        wrap_say(f, "not run here: %ld of them, because: %s", s->lacking,
                 s->lacks);
    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];

        if (l->failed > 0 && l->placement != ANYWHERE)
            wrap_say(f, "FAILED: %s, %s, %s, %s: %s", l->mechanism,
                     where_words[l->placement], summary_kind(l->kind),
                     size_name((size_t)l->size, name), l->reason);
    }
}

static void
print_noise(const struct summary *s, const struct places *placements, FILE *f)
{
    bool noisy = false;

    for (size_t i = 0; i < placements->n; i++) {
        const char *who;
        double d = summary_noise(s, placements->at[i], &who);

        if (isnan(d))
            continue;
        wrap_say(f, "%s measured twice in each round, %s: differs by %+.1f %%",
                 who, where_words[placements->at[i]], 100 * d);
        noisy |= fabs(d) > NOISE_LIMIT;
    }
    if (noisy)
        wrap_say(f,
                 "NOISY: the same thing measured twice differs by more than "
                 "%.0f %%; do not believe smaller differences than that here.",
                 100 * NOISE_LIMIT);
}

/* Nothing could be measured anywhere: why. */
static void
print_absent(const struct summary *s, FILE *f)
{
    static struct grid g;

    g = (struct grid){.title = "Round trip of 64 bytes", .placement = ANYWHERE};
    grid_absent(&g, s, ROW_RTT, 64);
    grid_text(&g, f);
}

void
report_tables(const struct summary *s, FILE *f)
{
    struct places placements;
    char text[SURPRISE];

    summary_placements(s, &placements);
    grids(s, GRID_OTHERS, NULL, grid_text, f);
    fputc('\n', f);
    print_failures(s, f);
    print_noise(s, &placements, f);
    if (placements.n == 0)
        print_absent(s, f);
    grids(s, GRID_HEADLINE, NULL, grid_text, f);
    if (summary_surprise(s, text)) {
        fputc('\n', f);
        wrap_say(f, "What surprised: %s", text);
    }
}
