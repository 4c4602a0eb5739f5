/* verbs.h - what ipclab.c calls; each finds its words behind state->next. */
#ifndef LAB_VERBS_H
#define LAB_VERBS_H

#include <argp.h>

int verb_check(struct argp_state *state);
int verb_hint(struct argp_state *state);
int verb_grade(struct argp_state *state);

#endif
