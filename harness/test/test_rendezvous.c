/*
 * test_rendezvous.c - how client and server find each other: core/rendezvous.h,
 * with real FIFOs, and users who mean no good.
 */
#define _GNU_SOURCE /* memfd_create, O_CLOEXEC, mq_open */
#include "test/test.h"

#include "core/clock.h"
#include "core/quota.h"
#include "core/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_rendezvous(void);

static const char *
endpoint(void)
{
    static char name[ENDPOINT_SIZE];

    snprintf(name, sizeof name, "%.80s/any-thing", run_dir);
    return name;
}

static const char *
path_of(const char *rest)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s%s", endpoint(), rest);
    return path;
}

/* -- names ----------------------------------------------------------------- */

START_TEST(a_fresh_name_is_another_each_time_and_known_by_its_shape)
{
    char a[ENDPOINT_SIZE], b[ENDPOINT_SIZE];

    ck_assert_int_eq(endpoint_fresh(endpoint(), a), 0);
    ck_assert_int_eq(endpoint_fresh(endpoint(), b), 0);
    ck_assert_str_ne(a, b);
    ck_assert(endpoint_is_fresh(endpoint(), a));
    ck_assert(!endpoint_is_fresh("/x/other-thing", a));
    ck_assert(!endpoint_is_fresh(endpoint(), "/postgres.17"));
    ck_assert(!endpoint_is_fresh(endpoint(), "/ipclab-any-thing"));
    ck_assert(!endpoint_is_fresh(endpoint(), ""));
    a[10] = '/';
    ck_assert(!endpoint_is_fresh(endpoint(), a));
    ck_assert_int_eq(endpoint_probe(a, 3), 0);
    ck_assert_int_eq(endpoint_probe(b, 3), 0);
    ck_assert_str_ne(a, b);
    ck_assert(endpoint_is_fresh("probe-3", a));
}
END_TEST

START_TEST(what_the_server_publishes_is_what_a_client_finds)
{
    struct object_id id, other;
    struct stat st;
    char value[64];
    mode_t before;
    FILE *f;

    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     -ENOENT);
    ck_assert_int_eq(endpoint_publish(endpoint(), "name", "/x-1", &id), 0);
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     0);
    ck_assert_str_eq(value, "/x-1");
    ck_assert_int_eq(endpoint_lookup(endpoint(), "nam", value, sizeof value),
                     -ENOENT);
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, 4), -ENOENT);
    /* The next server's: not the first one's to remove.  For all to read,
     * whatever its umask. */
    before = umask(077);
    ck_assert_int_eq(endpoint_publish(endpoint(), "name", "/x-2", &other), 0);
    umask(before);
    ck_assert_int_eq(stat(endpoint(), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0644);
    ck_assert_int_eq(endpoint_unlink(endpoint(), "", &id), 0);
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     0);
    ck_assert_str_eq(value, "/x-2");
    f = fopen(endpoint(), "we");
    ck_assert_ptr_nonnull(f);
    fputs("id 7\nname /y\n", f);
    fclose(f);
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     0);
    ck_assert_str_eq(value, "/y");
    ck_assert_int_eq(unlink(endpoint()), 0);
}
END_TEST

static void
write_file(const char *text)
{
    FILE *f = fopen(endpoint(), "we");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

START_TEST(a_line_has_its_key_its_value_and_room_for_it)
{
    char value[64];

    write_file("named /no\nnam /no\nxname /no\nname /yes\nlast /end");
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     0);
    ck_assert_str_eq(value, "/yes");
    ck_assert_int_eq(endpoint_lookup(endpoint(), "last", value, sizeof value),
                     0);
    ck_assert_str_eq(value, "/end");
    /* Four bytes, and their end. */
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, 5), 0);
    ck_assert_str_eq(value, "/yes");
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, 4), -ENOENT);
    write_file("name");
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     -ENOENT);
    write_file("name \n");
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     0);
    ck_assert_str_eq(value, "");
    ck_assert_int_eq(unlink(endpoint()), 0);
}
END_TEST

/* Cut off it would be another name. */
START_TEST(what_is_too_long_is_refused_and_changes_nothing)
{
    char longest[2 * ENDPOINT_SIZE], fresh[ENDPOINT_SIZE], value[64];
    const size_t most = ENDPOINT_SIZE - 1 - strlen("/ipclab-0123456789abcdef-");
    struct object_id id;
    int held;

    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_eq(endpoint_fresh(longest, fresh), -ENAMETOOLONG);
    longest[most + 1] = '\0';
    ck_assert_int_eq(endpoint_fresh(longest, fresh), -ENAMETOOLONG);
    longest[most] = '\0';
    ck_assert_int_eq(endpoint_fresh(longest, fresh), 0);
    ck_assert_uint_eq(strlen(fresh), ENDPOINT_SIZE - 1);
    ck_assert(endpoint_is_fresh(longest, fresh));

    ck_assert_int_eq(endpoint_publish(endpoint(), "name", "/x-1", &id), 0);
    held = endpoint_hold(endpoint());
    ck_assert_int_ge(held, 0);
    memset(longest, 'x', sizeof longest - 1);
    ck_assert_int_eq(endpoint_rewrite(held, "name", longest), -ENAMETOOLONG);
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     0);
    ck_assert_str_eq(value, "/x-1");
    ck_assert_int_eq(endpoint_rewrite(held, "name", "/x-2"), 0);
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     0);
    ck_assert_str_eq(value, "/x-2");
    close(held);
    ck_assert_int_eq(endpoint_publish_objects(endpoint(), "name", longest, &id),
                     -ENAMETOOLONG);
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     0);
    ck_assert_int_eq(unlink(endpoint()), 0);
}
END_TEST

START_TEST(what_stands_at_the_endpoint_must_be_a_file_of_the_directorys_owner)
{
    struct object_id id;
    char value[64];

    ck_assert_int_eq(mkfifo(endpoint(), 0666), 0); /* it does not wait */
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     -EPERM);
    ck_assert_int_eq(unlink(endpoint()), 0);
    ck_assert_int_eq(symlink("/etc/passwd", endpoint()), 0);
    ck_assert_int_eq(endpoint_lookup(endpoint(), "root:x:0:0:root:/root:",
                                     value, sizeof value),
                     -EPERM);
    ck_assert_int_eq(endpoint_publish(endpoint(), "name", "/x", &id), 0);
    ck_assert_int_eq(chown(endpoint(), BOB, BOB), 0);
    ck_assert_int_eq(endpoint_lookup(endpoint(), "name", value, sizeof value),
                     -EPERM);
    ck_assert_int_eq(endpoint_unlink(endpoint(), "", &id), 1);
    ck_assert_int_eq(endpoint_unlink(endpoint(), "", &id), 0);
}
END_TEST

/* -- registration ---------------------------------------------------------- */

static void
register_as(void *serial)
{
    const struct registration r = {.uid = geteuid(),
                                   .pid = (uint32_t)getpid(),
                                   .serial = *(const uint32_t *)serial,
                                   .id = {7, UINT32_MAX}};
    struct registry server;

    ck_assert_int_eq(registry_open(&server, endpoint()), 0);
    ck_assert_int_eq(
        registration_send(&server, &r, now_ns() + CALL_TIMEOUT, NULL, NULL), 0);
    ck_assert_int_eq(registration_alive(&server), 0);
    registry_close(&server);
    /* Nobody holds the server's end, or can write where all look. */
    if (need_root() != NULL || geteuid() == 0)
        return; /* we are the server's own user */
    ck_assert_int_eq(open(path_of(".life"), O_WRONLY | O_NONBLOCK), -1);
    ck_assert_int_eq(open(path_of(".life"), O_RDWR), -1);
}

START_TEST(who_registers_is_found_in_the_order_of_coming)
{
    struct registrar r;
    struct registry server;
    struct registration got;
    const uid_t who[] = {geteuid(), geteuid() == 0 ? ALICE : geteuid(),
                         geteuid() == 0 ? BOB : geteuid()};

    ck_assert_int_eq(registry_open(&server, endpoint()), -ENOENT);
    ck_assert_int_eq(registrar_make(&r, endpoint(), true), 0);
    ck_assert_int_eq(registrar_next(&r, &got), 0);
    for (uint32_t i = 0; i < 3; i++)
        as_user(who[i], register_as, &i);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(registrar_next(&r, &got), 1);
        ck_assert_uint_eq(got.serial, i);
        ck_assert_uint_eq(got.uid, who[i]);
        ck_assert_uint_eq(got.sender, who[i]);
        ck_assert_uint_eq(got.id[0], 7);
        ck_assert_uint_eq(got.id[1], UINT32_MAX);
    }
    ck_assert_int_eq(registrar_next(&r, &got), 0);
    registrar_remove(&r, endpoint());
    ck_assert_int_eq(registry_open(&server, endpoint()), -ENOENT);
}
END_TEST

START_TEST(rubbish_among_the_registrations_costs_nobody_his)
{
    const struct registration good = {.serial = 5};
    uint8_t rubbish[3 * REGISTRATION_SIZE];
    struct registry server;
    struct registrar r;
    struct registration got;

    ck_assert_int_eq(registrar_make(&r, endpoint(), true), 0);
    ck_assert_int_eq(registry_open(&server, endpoint()), 0);
    memset(rubbish, 'J', sizeof rubbish);
    registration_encode(&good, rubbish);
    for (size_t n = 0; n <= sizeof rubbish; n++) {
        ck_assert_int_eq(send(server.join, rubbish, n, 0), (ssize_t)n);
        ck_assert_int_eq(registration_send(&server, &good, 0, NULL, NULL), 0);
        ck_assert_int_eq(registrar_next(&r, &got), 1);
        ck_assert_uint_eq(got.serial, 5);
        /* What is as long as one and looks like one, is one. */
        ck_assert_int_eq(registrar_next(&r, &got), n == REGISTRATION_SIZE);
    }
    registry_close(&server);
    registrar_remove(&r, endpoint());
}
END_TEST

START_TEST(a_full_register_is_waited_for_with_a_limit)
{
    const struct registration good = {.serial = 5};
    struct registry server;
    struct registrar r;
    struct registration got;
    size_t n = 0;

    ck_assert_int_eq(registrar_make(&r, endpoint(), true), 0);
    ck_assert_int_eq(registry_open(&server, endpoint()), 0);
    while (registration_send(&server, &good, 0, NULL, NULL) == 0)
        n++;
    ck_assert_int_eq(
        registration_send(&server, &good, now_ns() + NS_PER_MS, NULL, NULL),
        -ETIMEDOUT);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(registrar_next(&r, &got), 1);
    ck_assert_int_eq(registrar_next(&r, &got), 0);
    ck_assert_int_eq(registration_send(&server, &good, 0, NULL, NULL), 0);
    registry_close(&server);
    registrar_remove(&r, endpoint());
}
END_TEST

#define BATCH 8u /* there is room for so many */

static void
register_often(void *arg)
{
    const struct registration r = {.uid = geteuid(), .serial = 1};
    struct registry server;

    (void)arg;
    ck_assert_int_eq(registry_open(&server, endpoint()), 0);
    for (unsigned i = 0; i < BATCH; i++)
        ck_assert_int_eq(registration_send(&server, &r, 0, NULL, NULL), 0);
    registry_close(&server);
}

/* Of so many registrations of this user. */
static uintmax_t
looked_at(struct registrar *r, uid_t who, uintmax_t registrations, bool joined)
{
    struct registration got;
    uintmax_t looked = 0;

    for (; registrations > 0; registrations -= BATCH) {
        as_user(who, register_often, NULL);
        for (; registrar_next(r, &got) == 1; looked++)
            if (joined)
                registrar_joined(&got);
    }
    return looked;
}

START_TEST(who_registers_for_nothing_is_not_looked_at_for_ever)
{
    const uintmax_t most = (uintmax_t)quota_kinds[QUOTA_JOINING].per_user;
    struct registrar r;
    uintmax_t looked;

    ck_assert_int_eq(registrar_make(&r, endpoint(), true), 0);
    quota_reset();
    ck_assert_uint_eq(looked_at(&r, BOB, 2 * most, true), 2 * most);
    /* Some come back while we count. */
    looked = looked_at(&r, BOB, 16 * most, false);
    ck_assert_uint_ge(looked, most);
    ck_assert_uint_lt(looked, 16 * most);
    /* It is nobody else's loss, nor root's. */
    ck_assert_uint_eq(looked_at(&r, ALICE, BATCH, false), BATCH);
    ck_assert_uint_eq(looked_at(&r, 0, 2 * most, false), 2 * most);
    registrar_remove(&r, endpoint());
}
END_TEST

static void
be_a_server(struct actor *self, void *arg)
{
    struct registrar r;

    (void)arg;
    ck_assert_int_eq(registrar_make(&r, endpoint(), true), 0);
    actor_step(self);
    actor_step(self);
}

START_TEST(who_has_registered_notices_at_once_that_the_server_is_dead)
{
    const struct registration nobody = {.uid = (uid_t)-1};
    struct pollfd p = {.events = 0};
    struct registry registry, later;
    struct registrar next;
    struct actor server;

    actor_start(&server, geteuid(), be_a_server, NULL);
    actor_wait(&server);
    ck_assert_int_eq(registry_open(&registry, endpoint()), 0);
    p.fd = registry.life;
    ck_assert_int_eq(registration_alive(&registry), 0);
    ck_assert(actor_kill(&server));
    ck_assert_int_eq(registration_alive(&registry), -EPIPE);
    ck_assert_int_eq(poll(&p, 1, -1), 1);
    ck_assert_int_eq(registry_open(&later, endpoint()), -ECONNREFUSED);
    /* And does not take the next one for it. */
    ck_assert_int_eq(registrar_make(&next, endpoint(), true), 0);
    ck_assert_int_eq(registration_alive(&registry), -EPIPE);
    ck_assert_int_eq(registration_send(&registry, &nobody, 0, NULL, NULL),
                     -EPIPE);
    registry_close(&registry);
    registrar_remove(&next, endpoint());
    ck_assert_int_eq(registrar_sweep(endpoint()), 0);
}
END_TEST

/* -- NAME.d ---------------------------------------------------------------- */

/* What a stranger can leave in a directory that is open to him. */
static void
litter(void *arg)
{
    char path[PATH_MAX];
    int fd = open(path_of(".d"), O_PATH | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_ne(fd, -1);
    ck_assert_int_ne(openat(fd, ".hidden", O_CREAT | O_WRONLY, 0600), -1);
    ck_assert_int_eq(mkdirat(fd, "..more", 0), 0);
    ck_assert_int_eq(symlinkat(arg, fd, "link"), 0);
    ck_assert_int_eq(mkfifoat(fd, "fifo", 0600), 0);
    ck_assert_int_eq(fchdir(fd), 0);
    for (int i = 0; i < 100; i++) { /* as deep as he likes */
        ck_assert_int_eq(mkdir("deep", 0700), 0);
        ck_assert_int_eq(symlink(arg, "deep/link"), 0);
        ck_assert_int_eq(chdir("deep"), 0);
    }
    for (int i = 0; i < 500; i++) {
        snprintf(path, sizeof path, "%s.d/many-%d", endpoint(), i);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
    }
    ck_assert(geteuid() == 0 || open(path_of(".d"), O_RDONLY) == -1);
}

static void
make_file(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);

    ck_assert_int_ne(fd, -1);
    close(fd);
}

/* They are nobody's children, and so the test program's. */
static void
removers_end(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
}

START_TEST(what_strangers_leave_keeps_no_server_from_starting)
{
    char kept[PATH_MAX], dir[PATH_MAX];
    struct client_dir d;

    snprintf(dir, sizeof dir, "%s/precious", run_dir);
    ck_assert_int_eq(mkdir(dir, 0777), 0);
    snprintf(kept, sizeof kept, "%.200s/file", dir);
    make_file(kept);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(client_dir_make(&d, endpoint()), 0);
        as_user(ALICE, litter, dir);
        close(d.fd); /* killed */
    }
    ck_assert_int_eq(client_dir_make(&d, endpoint()), 0);
    as_user(ALICE, litter, dir);
    while (d.old[0] != '\0')
        client_dir_tidy(&d);
    client_dir_remove(&d, endpoint());
    removers_end();
    client_dir_sweep(endpoint());
    ck_assert_int_eq(access(path_of(".d"), F_OK), -1);
    ck_assert_int_eq(client_dir_sweep(endpoint()), 0);
    /* Through no link. */
    ck_assert_int_eq(unlink(kept), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* It may take as long as it likes: another process does it. */
START_TEST(what_there_is_too_much_of_keeps_no_server_from_starting)
{
    struct client_dir d;
    char path[PATH_MAX];

    ck_assert_int_eq(client_dir_make(&d, endpoint()), 0);
    for (int i = 0; i < 5000; i++) {
        snprintf(path, sizeof path, "%s.d/%d", endpoint(), i);
        make_file(path);
    }
    close(d.fd);
    ck_assert_int_eq(client_dir_make(&d, endpoint()), 0);
    ck_assert_str_eq(d.old, "");
    client_dir_remove(&d, endpoint());
    client_dir_sweep(endpoint()); /* both at once is no error */
    removers_end();
    ck_assert_int_eq(client_dir_sweep(endpoint()), 0);
}
END_TEST

START_TEST(nothing_is_swept_through_a_link_or_in_a_strangers_directory)
{
    char kept[PATH_MAX], dir[PATH_MAX], gone[PATH_MAX];

    snprintf(dir, sizeof dir, "%s/precious", run_dir);
    snprintf(kept, sizeof kept, "%.200s/file", dir);
    snprintf(gone, sizeof gone, "%s.d-01234567", endpoint());
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    make_file(kept);
    ck_assert_int_eq(symlink(dir, path_of(".d")), 0);
    ck_assert_int_eq(symlink(dir, gone), 0);
    ck_assert_int_eq(client_dir_sweep(endpoint()), 1); /* the links */
    ck_assert_int_eq(access(kept, F_OK), 0);
    ck_assert_int_eq(chown(dir, BOB, BOB), 0);
    ck_assert_int_eq(rename(dir, gone), 0);
    ck_assert_int_eq(client_dir_sweep(endpoint()), -EPERM);
    snprintf(kept, sizeof kept, "%.200s/file", gone);
    ck_assert_int_eq(unlink(kept), 0);
    ck_assert_int_eq(rmdir(gone), 0);
}
END_TEST

START_TEST(a_directory_that_is_another_servers_is_not_removed)
{
    struct client_dir first, second;

    ck_assert_int_eq(client_dir_make(&first, endpoint()), 0);
    ck_assert_int_eq(rmdir(path_of(".d")), 0);
    ck_assert_int_eq(client_dir_make(&second, endpoint()), 0);
    client_dir_remove(&first, endpoint());
    ck_assert_int_eq(access(path_of(".d"), F_OK), 0);
    client_dir_remove(&second, endpoint());
    ck_assert_int_eq(access(path_of(".d"), F_OK), -1);
}
END_TEST

Suite *
test_rendezvous(void)
{
    Suite *s = suite_create("rendezvous");
    TCase *tc = test_case(s, "rendezvous");

    tcase_add_test(tc,
                   a_fresh_name_is_another_each_time_and_known_by_its_shape);
    tcase_add_test(tc, what_the_server_publishes_is_what_a_client_finds);
    tcase_add_test(tc, a_line_has_its_key_its_value_and_room_for_it);
    tcase_add_test(tc, what_is_too_long_is_refused_and_changes_nothing);
    add_test_if(
        tc, need_root(),
        what_stands_at_the_endpoint_must_be_a_file_of_the_directorys_owner);
    tcase_add_test(tc, who_registers_is_found_in_the_order_of_coming);
    tcase_add_test(tc, rubbish_among_the_registrations_costs_nobody_his);
    tcase_add_test(tc, a_full_register_is_waited_for_with_a_limit);
    add_test_if(tc, need_root(),
                who_registers_for_nothing_is_not_looked_at_for_ever);
    tcase_add_test(tc,
                   who_has_registered_notices_at_once_that_the_server_is_dead);
    add_test_if(tc, need_root(),
                what_strangers_leave_keeps_no_server_from_starting);
    tcase_add_test(tc, what_there_is_too_much_of_keeps_no_server_from_starting);
    add_test_if(tc, need_root(),
                nothing_is_swept_through_a_link_or_in_a_strangers_directory);
    tcase_add_test(tc, a_directory_that_is_another_servers_is_not_removed);
    return s;
}
