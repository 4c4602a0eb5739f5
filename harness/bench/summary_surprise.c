/*
 * summary_surprise.c - the one sentence about a run that is worth remembering.
 *
 * Where the two sides run changes the time of a mechanism, not of all alike:
 * what gains most by a second CPU, and beside it what loses.  Of a run at one
 * placement, or where nothing gains: how far apart two ways to use the same
 * mechanism are.
 */
#include "bench/summary.h"

#include "core/ipc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MUCH 1.3 /* less is nothing to speak of */

/* The round trip of 64 bytes between two processes, ns; NAN. */
static double
trip(const struct summary *s, const char *mechanism, enum where placement)
{
    const struct ipc_mechanism *m = ipc_find(mechanism);
    const struct line *l = summary_find(s, mechanism, placement, ROW_RTT, 64);

    if (l == NULL || l->used == 0 ||
        (m != NULL && (m->caps & IPC_INPROCESS) != 0))
        return NAN;
    return l->p50_ns;
}

/* Both in one directory? */
static bool
related(const char *a, const char *b)
{
    size_t n = strcspn(a, "/");

    return strncmp(a, b, n + 1) == 0;
}

/* "20", "1.4": what is told of a factor. */
static const char *
times(double factor, char buf[16])
{
    snprintf(buf, 16, factor < 10 ? "%.1f" : "%.0f", factor);
    return buf;
}

/* Who gains most from one placement to the other, and who loses most. */
static bool
moved(const struct summary *s, const struct names *all, enum where from,
      enum where to, char text[SURPRISE])
{
    const char *winner = NULL, *loser = NULL;
    double gain = MUCH, loss = 1;
    char more[16], less[16];

    for (size_t i = 0; i < all->n; i++) {
        double before = trip(s, all->name[i], from);
        double after = trip(s, all->name[i], to);

        if (before / after > gain) { /* with NAN nothing is */
            gain = before / after;
            winner = all->name[i];
        }
        if (after / before > loss) {
            loss = after / before;
            loser = all->name[i];
        }
    }
    if (winner == NULL)
        return false;
    snprintf(text, SURPRISE, "%s makes %s %sx faster", where_words[to], winner,
             times(gain, more));
    if (loser != NULL)
        snprintf(text + strlen(text), SURPRISE - strlen(text),
                 ", %s %sx slower", loser, times(loss, less));
    return true;
}

/* The two of one directory that are furthest apart. */
static bool
spread(const struct summary *s, const struct names *all, enum where placement,
       char text[SURPRISE])
{
    const char *fast = NULL, *slow = NULL;
    double most = MUCH;
    char factor[16];

    for (size_t i = 0; i < all->n; i++)
        for (size_t j = 0; j < all->n; j++) {
            double r = trip(s, all->name[j], placement) /
                       trip(s, all->name[i], placement);

            if (related(all->name[i], all->name[j]) && r > most) {
                most = r;
                fast = all->name[i];
                slow = all->name[j];
            }
        }
    if (fast == NULL)
        return false;
    snprintf(text, SURPRISE, "%s takes %sx as long as %s, %s", slow,
             times(most, factor), fast, where_words[placement]);
    return true;
}

bool
summary_surprise(const struct summary *s, char text[SURPRISE])
{
    struct places places;
    struct names all;

    summary_placements(s, &places);
    summary_mechanisms(s, &all);
    for (size_t i = 1; i < places.n; i++)
        if (moved(s, &all, places.at[0], places.at[i], text))
            return true;
    return places.n > 0 && spread(s, &all, places.at[0], text);
}
