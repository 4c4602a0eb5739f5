/*
 * nslab.c - the namespaces laboratory: a child in new namespaces, and what it
 * sees beside what its parent sees.
 *
 *   nslab --clone pid,uts        made by clone(CLONE_NEWPID | CLONE_NEWUTS)
 *   nslab --unshare all          made by unshare() and fork()
 *   nslab --unshare net -- ip a  a command inside
 *
 * enter.c makes the child, stop.c waits for it, views.c looks around for what
 * marks.c has made, spaces.c has the steps.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, CLONE_NEW... */
#include "ns/nslab.h"

#include "core/args.h"
#include "core/program.h"
#include "ns/spaces.h"

#include <argp.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

const char *argp_program_version = ARGS_VERSION("nslab");

/* -- arguments ------------------------------------------------------------- */

enum { KEY_CLONE = 256, KEY_UNSHARE };

static const struct argp_option option_list[] = {
    {"clone", KEY_CLONE, "LIST", 0, "the child is made by clone()", 0},
    {"unshare", KEY_UNSHARE, "LIST", 0,
     "the child is made by unshare() and fork()", 0},
    {0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct lab *lab = state->input;

    switch (key) {
    case KEY_CLONE:
    case KEY_UNSHARE:
        if (lab->flags != 0)
            argp_error(state, "either --clone or --unshare, and once");
        lab->by_clone = key == KEY_CLONE;
        lab->flags = spaces_parse(arg);
        if (lab->flags < 0)
            argp_error(state,
                       "`%s' is not a list of pid, uts, ipc, net, mnt, user, "
                       "cgroup, time; or all",
                       arg);
        return 0;
    case ARGP_KEY_ARGS:
        lab->command = state->argv + state->next;
        return 0;
    case ARGP_KEY_END:
        if (lab->flags == 0)
            argp_error(state, "which namespaces? say --clone LIST or "
                              "--unshare LIST, such as --clone pid,uts");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = option_list,
    .parser = parse,
    .args_doc = "[COMMAND [ARGUMENT...]]",
    .doc = "Shows what a child in new namespaces sees, beside what its parent "
           "sees; or runs COMMAND in there.\vLIST: pid, "
           "uts, ipc, net, mnt, user, cgroup, time, with commas between; or "
           "all.  Exit status 1: something could not be done.",
};

/* -- the child ------------------------------------------------------------- */

static int
child(struct lab *lab)
{
    if (lab->command == NULL) {
        view_take(&lab->inside, &lab->marks);
        return EXIT_SUCCESS;
    }
    program_before_exec();
    stop_release();
    execvp(lab->command[0], lab->command);
    fprintf(stderr, "nslab: cannot run %s: %s\n", lab->command[0],
            strerror(errno));
    return errno == ENOENT ? 127 : 126;
}

/* -- side by side ---------------------------------------------------------- */

static bool
same(const struct view_row *a, const struct view_row *b)
{
    return a->drifts || strcmp(a->text, b->text) == 0;
}

#define WIDTH  80 /* columns, of which the parent's begins here: */
#define PARENT 30
#define CHILD  55 /* and the child's, behind its mark and a blank */

/* Where to begin with a text, so that it ends within the line. */
static int
begin_at(int column, const char *text)
{
    const int left = WIDTH - (int)strlen(text);

    return left < 10 ? 10 : left < column ? left : column;
}

/* What has no room beside the other's stands on a line of its own. */
static void
print_row(const struct view_row *out, const struct view_row *in, bool first)
{
    const char mark = same(out, in) ? ' ' : '*';

    printf("%-7s %-21s ", first ? out->space : "", out->title);
    if (strlen(out->text) > WIDTH - PARENT)
        printf("\n%*s", begin_at(PARENT, out->text), "");
    if (strlen(out->text) < CHILD - PARENT - 1)
        printf("%-*s", CHILD - PARENT - 2, out->text);
    else
        printf("%s\n%*s", out->text, begin_at(CHILD, in->text) - 2, "");
    printf("%c %s\n", mark, in->text);
}

static void
print_views(const struct lab *lab)
{
    const struct view *out = &lab->before, *in = &lab->inside;

    printf("%-7s %-21s %-23s  child: %s\n", "", "", "parent",
           lab->by_clone ? "clone()" : "unshare(), fork()");
    for (int i = 0; i < out->n && i < in->n; i++)
        print_row(&out->row[i], &in->row[i],
                  i == 0 ||
                      strcmp(out->row[i].space, out->row[i - 1].space) != 0);
}

/* What a child does to its own namespaces must not show here. */
static bool
parent_unchanged(const struct lab *lab)
{
    bool unchanged = true;

    for (int i = 0; i < lab->before.n; i++)
        if (!same(&lab->before.row[i], &lab->after.row[i])) {
            printf("the parent's %s has changed: %s, now %s\n",
                   lab->before.row[i].title, lab->before.row[i].text,
                   lab->after.row[i].text);
            unchanged = false;
        }
    return unchanged;
}

static void
print_complaints(const struct lab *lab)
{
    for (int i = 0; i < lab->complaints; i++) {
        const struct complaint *c = &lab->complaint[i];

        fprintf(stderr, "nslab: %s did not work: %s (%s); %s\n", c->what,
                strerror(-c->err), strerrorname_np(-c->err), advice(lab, c));
    }
}

static void
print_remarks(const struct lab *lab)
{
    if (lab->loopback != NULL)
        printf("net: the child found lo %s, and has set it up.\n",
               lab->loopback);
    if (lab->by_clone && (lab->flags & 0x80 /* CLONE_NEWTIME */))
        puts("time: clone() has no bit for it, so the child called unshare() "
             "and setns()\n      (clone3() has one, but no moment for setting "
             "the offset).");
    if ((lab->flags & CLONE_NEWPID) && !(lab->flags & CLONE_NEWNS))
        puts("pid: /proc still shows the parent's processes, since it is still "
             "the parent's\n     /proc: add mnt for one of its own.");
}

/* -- main ------------------------------------------------------------------ */

static int
run(struct lab *lab)
{
    int status = 0;
    pid_t pid;

    view_take(&lab->before, &lab->marks);
    fflush(stdout);
    pid = make_child(lab, child);
    if (pid > 0)
        status = wait_for_child(lab, pid);
    if (stop_number() != 0)
        return 128 + stop_number();
    view_take(&lab->after, &lab->marks);
    if (lab->inside.n > 0) {
        print_views(lab);
        print_remarks(lab);
        if (parent_unchanged(lab))
            puts("Afterwards the parent sees what it saw before.");
    }
    print_complaints(lab);
    if (pid < 0 || lab->complaints > 0)
        return EXIT_FAILURE;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
main(int argc, char **argv)
{
    struct lab *lab;
    int status;

    program_begin("nslab");
    lab = mmap(NULL, sizeof *lab, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (lab == MAP_FAILED) {
        perror("nslab");
        return EX_OSERR;
    }
    argp_err_exit_status = EX_USAGE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, lab);
    lab->uid = geteuid();
    lab->gid = getegid();
    if (lab->uid != 0 && !(lab->flags & CLONE_NEWUSER)) {
        lab->flags |= CLONE_NEWUSER;
        fputs("user: added, since an ordinary user may make the others only "
              "together with it.\n",
              stderr);
    }
    stop_catch(); /* before there is anything to remove */
    marks_make(&lab->marks);
    status = run(lab);
    marks_remove(&lab->marks);
    return status;
}
