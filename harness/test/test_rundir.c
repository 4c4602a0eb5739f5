/*
 * test_rundir.c - where things are, and whose: the run directory, the names and
 * locks of the endpoints in it, and what an object proves about its owner.
 */
#define _GNU_SOURCE /* O_PATH, S_IFIFO */
#include "test/test.h"

#include "core/owner.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

Suite *test_rundir(void);

/* -- the run directory ----------------------------------------------------- */

START_TEST(a_run_directory_is_ours_and_nobody_else_may_write_there)
{
    char dir[ENDPOINT_SIZE], file[ENDPOINT_SIZE];
    struct stat st;
    mode_t old = umask(077); /* clients of other users must get in anyway */

    snprintf(dir, sizeof dir, "%.80s/new", run_dir);
    snprintf(file, sizeof file, "%.80s/file", run_dir);
    ck_assert_int_eq(rundir_make(dir), 1); /* made */
    umask(old);
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0711);
    ck_assert_int_eq(rundir_make(dir), 0); /* was there */
    for (mode_t mode = 0770; mode <= 0777; mode += 7) {
        ck_assert_int_eq(chmod(dir, mode), 0);
        ck_assert_int_eq(rundir_make(dir), -EPERM);
    }
    ck_assert_int_eq(rmdir(dir), 0);
    ck_assert_int_eq(symlink(run_dir, dir), 0);
    ck_assert_int_eq(rundir_make(dir), -ENOTDIR); /* not through a link */
    ck_assert_int_eq(unlink(dir), 0);
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ck_assert_int_eq(rundir_make(file), -ENOTDIR);
    ck_assert_int_eq(unlink(file), 0);
}
END_TEST

START_TEST(a_run_directory_of_somebody_else_is_refused)
{
    char dir[ENDPOINT_SIZE];

    snprintf(dir, sizeof dir, "%.80s/theirs", run_dir);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    ck_assert_int_eq(chown(dir, ALICE, ALICE), 0);
    ck_assert_int_eq(rundir_make(dir), -EPERM);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(the_run_directory_is_where_the_environment_says)
{
    char dir[ENDPOINT_SIZE], longer[ENDPOINT_SIZE + 1];

    ck_assert_int_eq(setenv("IPCLAB_DIR", "/some/where", 1), 0);
    ck_assert_int_eq(rundir_default(dir), 0);
    ck_assert_str_eq(dir, "/some/where");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    ck_assert_int_eq(setenv("IPCLAB_DIR", longer, 1), 0);
    ck_assert_int_eq(rundir_default(dir), -ENAMETOOLONG);
    ck_assert_int_eq(unsetenv("IPCLAB_DIR"), 0);
    ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", "/run/user/1", 1), 0);
    ck_assert_int_eq(rundir_default(dir), 0);
    ck_assert_str_eq(dir,
                     geteuid() == 0 ? "/run/ipclab" : "/run/user/1/ipclab");
}
END_TEST

START_TEST(an_endpoints_name_fits_into_a_socket_address)
{
    const struct ipc_mechanism *m = ipc_registry[0];
    char dir[2 * ENDPOINT_SIZE], name[ENDPOINT_SIZE], file[ENDPOINT_SIZE];

    ck_assert_int_eq(endpoint_name(m, "/run/ipclab", name), 0);
    ck_assert_int_eq(strncmp(name, "/run/ipclab/", 12), 0);
    ck_assert_ptr_null(strchr(name + 12, '/'));
    for (size_t n = 1; n < sizeof dir; n++) {
        memset(dir, 'd', n);
        dir[n] = '\0';
        if (endpoint_name(m, dir, name) == 0)
            ck_assert_int_eq(endpoint_file(name, ".lock", file), 0);
        else
            ck_assert_uint_gt(n + 1 + strlen(m->name) + ENDPOINT_SUFFIX,
                              ENDPOINT_SIZE - 1);
    }
}
END_TEST

START_TEST(the_same_endpoint_has_the_same_flat_name_and_another_another)
{
    char a[ENDPOINT_SIZE], b[ENDPOINT_SIZE];

    ck_assert_int_eq(endpoint_flat("/run/a/msgq-posix", a), 0);
    ck_assert_int_eq(endpoint_flat("/run/a/msgq-posix", b), 0);
    ck_assert_str_eq(a, b);
    ck_assert_int_eq(strncmp(a, "/ipclab-", 8), 0);
    ck_assert_ptr_null(strchr(a + 1, '/'));
    ck_assert_int_eq(endpoint_flat("/run/b/msgq-posix", b), 0);
    ck_assert_str_ne(a, b);
}
END_TEST

static void
hold_lock(struct actor *self, void *name)
{
    ck_assert_int_ge(endpoint_lock(name, NULL), 0);
    actor_step(self);
}

START_TEST(an_endpoint_has_one_holder_and_the_kernel_lets_go_for_the_dead)
{
    char name[ENDPOINT_SIZE];
    struct actor c;
    pid_t holder;
    int lock;

    ck_assert_int_eq(endpoint_name(ipc_registry[0], run_dir, name), 0);
    actor_start(&c, geteuid(), hold_lock, name);
    actor_wait(&c);
    ck_assert_int_eq(endpoint_lock(name, &holder), -EEXIST);
    ck_assert_int_eq(holder, c.pid);
    ck_assert(actor_kill(&c));
    lock = endpoint_lock(name, &holder);
    ck_assert_int_ge(lock, 0);
    /* Also within one process: it is the open file that holds it. */
    ck_assert_int_eq(endpoint_lock(name, &holder), -EEXIST);
    ck_assert_int_eq(holder, getpid());
    endpoint_unlock(name, lock);
}
END_TEST

START_TEST(an_endpoint_is_trusted_if_it_belongs_to_the_owner_of_its_directory)
{
    char name[ENDPOINT_SIZE];

    ck_assert_int_eq(endpoint_name(ipc_registry[0], run_dir, name), 0);
    ck_assert_int_eq(endpoint_trusted(name, geteuid()), 0);
    ck_assert_int_eq(endpoint_trusted(name, BOB), -EPERM);
    ck_assert_int_eq(chmod(run_dir, 0777), 0); /* anybody could replace it */
    ck_assert_int_eq(endpoint_trusted(name, geteuid()), -EPERM);
}
END_TEST

/* Relative, through a link, with a slash too many: one place, and one name. */
START_TEST(a_directory_has_one_name_however_it_is_spelled)
{
    const struct ipc_mechanism *m = ipc_registry[0];
    char link[ENDPOINT_SIZE], odd[PATH_MAX], before[PATH_MAX];
    char name[ENDPOINT_SIZE], other[ENDPOINT_SIZE];

    ck_assert_int_eq(endpoint_name(m, run_dir, name), 0);
    snprintf(link, sizeof link, "%.80s/link", run_dir);
    ck_assert_int_eq(symlink(run_dir, link), 0);
    ck_assert_int_eq(endpoint_name(m, link, other), 0);
    ck_assert_str_eq(name, other);
    snprintf(odd, sizeof odd, "%s//./", run_dir);
    ck_assert_int_eq(endpoint_name(m, odd, other), 0);
    ck_assert_str_eq(name, other);
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    ck_assert_int_eq(chdir(run_dir), 0);
    ck_assert_int_eq(endpoint_name(m, ".", other), 0);
    ck_assert_str_eq(name, other);
    ck_assert_int_eq(chdir(before), 0);
    ck_assert_int_eq(unlink(link), 0);
}
END_TEST

static void
alice_trusts(void *dir)
{
    uid_t owner;

    ck_assert_int_eq(chown(dir, ALICE, ALICE), -1);
    ck_assert_int_eq(rundir_trusted(dir, &owner), 0); /* root's */
    ck_assert_uint_eq(owner, 0);
    ck_assert_int_eq(rundir_trusted("/nowhere", &owner), -ENOENT);
    ck_assert_uint_eq(owner, (uid_t)-1);
}

static void
alice_does_not_trust_bob(void *dir)
{
    uid_t owner;

    ck_assert_int_eq(rundir_trusted(dir, &owner), -EPERM);
    ck_assert_uint_eq(owner, BOB);
}

START_TEST(a_client_uses_the_run_directory_of_root_and_its_own_only)
{
    char dir[ENDPOINT_SIZE];
    uid_t owner;

    as_user(ALICE, alice_trusts, run_dir);
    ck_assert_int_eq(chmod(run_dir, 0777), 0);
    ck_assert_int_eq(rundir_trusted(run_dir, &owner), -EPERM);
    ck_assert_int_eq(chmod(run_dir, 0755), 0);
    snprintf(dir, sizeof dir, "%.80s/bobs", run_dir);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    ck_assert_int_eq(chown(dir, BOB, BOB), 0);
    as_user(ALICE, alice_does_not_trust_bob, dir);
    ck_assert_int_eq(rundir_trusted(dir, &owner), -EPERM); /* nor does root */
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* "NAME.d" of his leads to a directory of root's. */
START_TEST(root_sweeps_nothing_in_a_run_directory_of_bobs)
{
    char dir[ENDPOINT_SIZE], link[ENDPOINT_SIZE], kept[ENDPOINT_SIZE];
    static struct output o;

    snprintf(dir, sizeof dir, "%.60s/bobs", run_dir);
    snprintf(kept, sizeof kept, "%.60s/precious", run_dir);
    snprintf(link, sizeof link, "%.70s/fifo-perclient.d", dir);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    ck_assert_int_eq(mkdir(kept, 0755), 0);
    ck_assert_int_eq(symlink(kept, link), 0);
    strcat(kept, "/file");
    close(open(kept, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ck_assert_int_eq(chown(dir, BOB, BOB), 0);
    run_program(&o, "ipcd", "--sweep", "--run-dir", dir, NULL);
    ck_assert_int_eq(o.status, EXIT_FAILURE);
    ck_assert_ptr_nonnull(strstr(o.err, "not swept"));
    ck_assert_int_eq(unlink(kept), 0);
    *strrchr(kept, '/') = '\0';
    ck_assert_int_eq(rmdir(kept), 0);
    ck_assert_int_eq(unlink(link), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* A textbook form ends at once; the run directory's file system may be any, that
 * of /dev/shm is known: shm_overview(7). */
START_TEST(it_is_said_where_a_reader_could_keep_the_server_waiting)
{
    static const char shm[] = "/dev/shm/ipclab-test-rundir";
    static struct output o;

    ck_assert(rundir_in_memory("/dev/shm"));
    ck_assert(!rundir_in_memory("/proc"));
    run_program(&o, "ipcd", "-m", "fifo/textbook", "--run-dir", run_dir, NULL);
    ck_assert_ptr_nonnull(strstr(o.err, "textbook form"));
    ck_assert_int_eq(strstr(o.err, "without a run directory") == NULL,
                     rundir_in_memory(run_dir));
    run_program(&o, "ipcd", "-m", "fifo/textbook", "--run-dir", shm, NULL);
    ck_assert_ptr_nonnull(strstr(o.err, "textbook form"));
    ck_assert_ptr_null(strstr(o.err, "without a run directory"));
    ck_assert_int_eq(access(shm, F_OK), -1);
}
END_TEST

/* Whoever removes the files of a living server lets another one begin; that
 * one's are not the first one's to remove. */
START_TEST(a_server_that_ends_leaves_another_ones_names_alone)
{
    char name[ENDPOINT_SIZE], path[ENDPOINT_SIZE];
    int first, first_life, second, second_life;

    ck_assert_int_eq(endpoint_name(ipc_registry[0], run_dir, name), 0);
    first = endpoint_lock(name, NULL);
    first_life = life_make(name, true);
    ck_assert(first >= 0 && first_life >= 0);
    ck_assert_int_eq(endpoint_file(name, ".lock", path), 0);
    ck_assert_int_eq(unlink(path), 0);
    second = endpoint_lock(name, NULL);
    second_life = life_make(name, true);
    ck_assert(second >= 0 && second_life >= 0);
    life_end(name, first_life);
    endpoint_unlock(name, first);
    ck_assert_int_eq(endpoint_lock(name, NULL), -EEXIST);
    first_life = life_watch(name);
    ck_assert_int_ge(first_life, 0);
    close(first_life);
    life_end(name, second_life);
    endpoint_unlock(name, second);
}
END_TEST

/* -- owners ---------------------------------------------------------------- */

/* Looks at run_dir/fifo, and removes it. */
static int
check_owner(mode_t type, uid_t claimed, struct ipc_peer *peer)
{
    char path[ENDPOINT_SIZE];
    int fd, err;

    snprintf(path, sizeof path, "%.80s/fifo", run_dir);
    fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    ck_assert_int_ne(fd, -1);
    memset(peer, 0, sizeof *peer); /* to see that root is not left there */
    err = owner_check_fd(fd, type, claimed, peer);
    close(fd);
    unlink(path);
    ck_assert(err == 0 || err == -EPERM);
    ck_assert_int_eq(peer->pid, -1);
    if (err != 0) {
        ck_assert(peer->uid == (uid_t)-1 && peer->gid == (gid_t)-1);
        ck_assert_uint_eq(peer->evidence, IPC_CLAIMED);
    }
    return err;
}

static void
make_fifo(mode_t mode)
{
    char path[ENDPOINT_SIZE];

    snprintf(path, sizeof path, "%.80s/fifo", run_dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(only_a_private_object_of_the_right_kind_proves_its_owner)
{
    struct ipc_peer peer;
    char a[ENDPOINT_SIZE], b[ENDPOINT_SIZE];
    const struct passwd *me = getpwuid(geteuid());

    make_fifo(0600);
    ck_assert_int_eq(check_owner(S_IFIFO, geteuid(), &peer), 0);
    ck_assert_uint_eq(peer.uid, geteuid());
    ck_assert_uint_eq(peer.gid, me != NULL ? me->pw_gid : (gid_t)-1);
    ck_assert_uint_eq(peer.evidence, IPC_OWNER);
    make_fifo(0600);
    ck_assert_int_eq(check_owner(S_IFREG, geteuid(), &peer), -EPERM);
    make_fifo(0600);
    ck_assert_int_eq(check_owner(S_IFIFO, geteuid() + 1, &peer), -EPERM);
    make_fifo(0600);
    ck_assert_int_eq(check_owner(S_IFIFO, (uid_t)-1, &peer), -EPERM);
    /* In a set-group-ID directory it gets that directory's group. */
    if (geteuid() == 0) {
        make_fifo(0600);
        snprintf(a, sizeof a, "%.80s/fifo", run_dir);
        ck_assert_int_eq(chown(a, (uid_t)-1, 42), 0);
        ck_assert_int_eq(check_owner(S_IFIFO, geteuid(), &peer), 0);
        ck_assert_uint_ne(peer.gid, 42);
    }
    for (unsigned bit = 0; bit < 12; bit++) {
        make_fifo((0600 ^ 1u << bit) & 07777);
        ck_assert_int_eq(check_owner(S_IFIFO, geteuid(), &peer), -EPERM);
    }
    /* A second name: the first may lie where its owner did not put it. */
    make_fifo(0600);
    snprintf(a, sizeof a, "%.80s/fifo", run_dir);
    snprintf(b, sizeof b, "%.80s/link", run_dir);
    ck_assert_int_eq(link(a, b), 0);
    ck_assert_int_eq(check_owner(S_IFIFO, geteuid(), &peer), -EPERM);
    ck_assert_int_eq(unlink(b), 0);
}
END_TEST

/* The creator counts: the owner's uid can be given away by IPC_SET. */
START_TEST(a_system_v_object_is_its_creators)
{
    const time_t now = time(NULL);
    struct ipc_perm perm = {.cuid = ALICE, .cgid = BOB, .uid = 0, .mode = 0600};
    struct ipc_peer peer;

    ck_assert_int_eq(owner_check_perm(&perm, now, ALICE, &peer), 0);
    ck_assert_uint_eq(peer.uid, ALICE);
    ck_assert_uint_eq(peer.gid, (gid_t)-1); /* in no passwd(5); not cgid */
    ck_assert_int_eq(owner_check_perm(&perm, now, 0, &peer), -EPERM);
    ck_assert_uint_eq(peer.uid, (uid_t)-1);
    ck_assert_int_eq(
        owner_check_perm(&perm, now - OWNER_MAX_AGE - 1, ALICE, &peer), -EPERM);
    perm.mode = 0620;
    ck_assert_int_eq(owner_check_perm(&perm, now, ALICE, &peer), -EPERM);
}
END_TEST

START_TEST(nonces_differ_and_are_compared_to_the_last_bit)
{
    uint8_t a[NONCE_SIZE], b[NONCE_SIZE];

    ck_assert_int_eq(nonce_make(a), 0);
    ck_assert_int_eq(nonce_make(b), 0);
    ck_assert(!nonce_equal(a, b));
    memcpy(b, a, sizeof b);
    ck_assert(nonce_equal(a, b));
    for (unsigned bit = 0; bit < 8 * NONCE_SIZE; bit++) {
        b[bit / 8] = (uint8_t)(a[bit / 8] ^ 1u << bit % 8);
        ck_assert(!nonce_equal(a, b));
        b[bit / 8] = a[bit / 8];
    }
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *
test_rundir(void)
{
    Suite *s = suite_create("rundir");
    TCase *tc = test_case(s, "rundir");

    tcase_add_test(tc, a_run_directory_is_ours_and_nobody_else_may_write_there);
    add_test_if(tc, need_root(), a_run_directory_of_somebody_else_is_refused);
    tcase_add_test(tc, the_run_directory_is_where_the_environment_says);
    tcase_add_test(tc, an_endpoints_name_fits_into_a_socket_address);
    tcase_add_test(
        tc, the_same_endpoint_has_the_same_flat_name_and_another_another);
    tcase_add_test(
        tc, an_endpoint_has_one_holder_and_the_kernel_lets_go_for_the_dead);
    tcase_add_test(
        tc, an_endpoint_is_trusted_if_it_belongs_to_the_owner_of_its_directory);
    tcase_add_test(tc, a_directory_has_one_name_however_it_is_spelled);
    add_test_if(tc, need_root(),
                a_client_uses_the_run_directory_of_root_and_its_own_only);
    add_test_if(tc, need_root(),
                root_sweeps_nothing_in_a_run_directory_of_bobs);
    add_test_if(tc, need_root() != NULL ? need_root() : need_dev_shm(),
                it_is_said_where_a_reader_could_keep_the_server_waiting);
    tcase_add_test(tc, a_server_that_ends_leaves_another_ones_names_alone);

    tc = test_case(s, "owner");
    tcase_add_test(tc,
                   only_a_private_object_of_the_right_kind_proves_its_owner);
    tcase_add_test(tc, a_system_v_object_is_its_creators);
    tcase_add_test(tc, nonces_differ_and_are_compared_to_the_last_bit);
    return s;
}
