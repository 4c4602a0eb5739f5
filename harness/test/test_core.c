/*
 * test_core.c - the parts that need no server: the frame, the encoding, the
 * cutting of a stream, the run directory and its locks, owners and nonces; and
 * whether every table of a mechanism agrees with itself.
 */
#define _GNU_SOURCE /* mkfifoat, open_memstream, S_IFIFO */
#include "test/test.h"

#include "core/frames.h"
#include "core/owner.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

Suite *test_core(void);

/* -- wire -------------------------------------------------------------------- */

static const struct wire_header some = {.kind = WIRE_REPLY,
                                        .method = 0x0102,
                                        .length = 0x03040506,
                                        .status = 0x0708090a,
                                        .id = 0x0b0c0d0e0f101112,
                                        .nfds = 1};

/* The bytes as PROTOCOL.md tells them to a client in another language. */
START_TEST(a_header_is_these_32_bytes)
{
    static const uint8_t expected[WIRE_HEADER] = {
        'I',  'P',  'C',  '1',  1,    1,    0x02, 0x01, 0x06, 0x05, 0x04,
        0x03, 0x0a, 0x09, 0x08, 0x07, 0x12, 0x11, 0x10, 0x0f, 0x0e, 0x0d,
        0x0c, 0x0b, 1,    0,    0,    0,    0,    0,    0,    0};
    uint8_t buf[WIRE_HEADER];
    struct wire_header h;

    memset(buf, 0xff, sizeof buf);
    wire_encode(&some, buf);
    ck_assert_mem_eq(buf, expected, sizeof buf);
    ck_assert_int_eq(wire_decode_header(buf, &h), 0);
    ck_assert_uint_eq(h.kind, some.kind);
    ck_assert_uint_eq(h.method, some.method);
    ck_assert_uint_eq(h.length, some.length);
    ck_assert_uint_eq(h.status, some.status);
    ck_assert_uint_eq(h.id, some.id);
    ck_assert_uint_eq(h.nfds, some.nfds);
}
END_TEST

START_TEST(no_flipped_bit_of_a_header_goes_unnoticed_where_one_value_is_right)
{
    uint8_t good[WIRE_HEADER], bad[WIRE_HEADER];
    struct wire_header h = {.kind = WIRE_REQUEST, .method = 1, .id = 5};

    wire_encode(&h, good);
    for (unsigned bit = 0; bit < 8 * WIRE_HEADER; bit++) {
        unsigned byte = bit / 8;
        bool free_choice = byte == 6 || byte == 7 || (byte >= 16 && byte < 24);
        /* kind: 0 becomes 1 or 2, which are kinds too */
        bool also_right = byte == 5 && bit % 8 < 2;

        memcpy(bad, good, sizeof bad);
        bad[byte] = (uint8_t)(bad[byte] ^ 1u << bit % 8);
        ck_assert_msg((wire_decode(bad, sizeof bad, 0, &h) == 0) ==
                          (free_choice || also_right),
                      "byte %u, bit %u", byte, bit % 8);
        ck_assert((wire_explain(bad, sizeof bad, 0) == NULL) ==
                  (free_choice || also_right));
    }
}
END_TEST

START_TEST(a_frame_is_as_long_as_it_says)
{
    uint8_t buf[WIRE_HEADER + 11] = {0};
    struct wire_header h;
    size_t len = raw_frame(buf, 3, 1, "0123456789", 10);

    for (size_t n = 0; n <= sizeof buf; n++)
        ck_assert_int_eq(wire_decode(buf, n, 0, &h), n == len ? 0 : -EBADMSG);
    ck_assert_int_eq(wire_decode(buf, len, 1, &h), -EBADMSG); /* unannounced */
    buf[24] = 1;
    ck_assert_int_eq(wire_decode(buf, len, 1, &h), 0);
    ck_assert_int_eq(wire_decode(buf, len, 0, &h), -EBADMSG); /* missing */
    buf[24] = 0;
    buf[4] = 2;
    ck_assert_int_eq(wire_decode(buf, len, 0, &h), -EPROTONOSUPPORT);
    ck_assert_uint_eq(h.id, 1);
}
END_TEST

/* -- api --------------------------------------------------------------------- */

START_TEST(the_method_table_is_consistent)
{
    static const uint16_t highest = 1000;
    unsigned found = 0;
    uint16_t last = 0;

    ck_assert_uint_gt(api_method_count, 0);
    ck_assert(api_methods[api_method_count].name == NULL);
    for (const struct api_method *m = api_methods; m->name != NULL; m++) {
        ck_assert_uint_gt(m->number, last);
        last = m->number;
        ck_assert_ptr_eq(api_by_number(m->number), m);
        ck_assert_ptr_eq(api_by_name(m->name), m);
        ck_assert_ptr_nonnull(m->doc);
        ck_assert(m->kind == WIRE_REQUEST || m->kind == WIRE_NOTICE);
        for (unsigned list = 0; list < 2; list++) {
            const struct api_field *f = list == 0 ? m->args : m->results;
            unsigned n = 0;

            for (; f[n].type != API_END; n++)
                ck_assert_ptr_nonnull(f[n].name);
            ck_assert_uint_le(n, API_MAX_FIELDS);
            ck_assert(m->kind == WIRE_REQUEST || list == 0 || n == 0);
        }
    }
    for (uint16_t n = 0; n < highest; n++)
        found += api_by_number(n) != NULL;
    ck_assert_uint_eq(found, api_method_count);
    ck_assert(api_by_name("no_such_method") == NULL);
}
END_TEST

static const struct api_field every_type[] = {
    {API_U32, "a"},    {API_U64, "b"},   {API_I32, "c"},  {API_I64, "d"},
    {API_STRING, "e"}, {API_BYTES, "f"}, {API_END, NULL},
};

START_TEST(every_type_comes_back_and_every_shortening_is_noticed)
{
    const struct api_value in[] = {
        {.u32 = UINT32_MAX}, {.u64 = UINT64_MAX},  {.i32 = INT32_MIN},
        {.i64 = INT64_MIN},  string_value("text"), bytes_value("a\0b", 3)};
    static const size_t size = 4 + 8 + 4 + 8 + 2 + 4 + 4 + 3;
    struct api_value out[6];
    uint8_t buf[64];

    for (size_t cap = 0; cap < size; cap++)
        ck_assert_int_eq(api_encode(every_type, in, buf, cap), -EMSGSIZE);
    ck_assert_int_eq(api_encode(every_type, in, buf, size), (ssize_t)size);
    ck_assert_mem_eq(buf + 24, "\x04\0text\x03\0\0\0a\0b", size - 24);
    for (size_t len = 0; len <= sizeof buf; len++)
        ck_assert_int_eq(api_decode(every_type, buf, len, -1, out),
                         len == size ? 0 : -EBADMSG);
    ck_assert_int_eq(api_decode(every_type, buf, size, -1, out), 0);
    ck_assert_uint_eq(out[0].u32, in[0].u32);
    ck_assert_uint_eq(out[1].u64, in[1].u64);
    ck_assert_int_eq(out[2].i32, in[2].i32);
    ck_assert_int_eq(out[3].i64, in[3].i64);
    ck_assert(value_is(&out[4], "text"));
    ck_assert_uint_eq(out[5].len, 3);
    ck_assert_mem_eq(out[5].at, "a\0b", 3);
}
END_TEST

START_TEST(a_string_is_no_longer_than_its_length_can_say_and_has_no_nul)
{
    static const struct api_field field[] = {{API_STRING, "s"},
                                             {API_END, NULL}};
    static char text[UINT16_MAX + 1];
    static uint8_t buf[UINT16_MAX + 3];
    struct api_value v = bytes_value(text, sizeof text);

    memset(text, 'x', sizeof text);
    ck_assert_int_eq(api_encode(field, &v, buf, sizeof buf), -EINVAL);
    v.len--;
    ck_assert_int_eq(api_encode(field, &v, buf, sizeof buf), UINT16_MAX + 2);
    text[3] = '\0';
    ck_assert_int_eq(api_encode(field, &v, buf, sizeof buf), -EINVAL);
    ck_assert_int_eq(api_decode(field, "\x02\0a\0", 4, -1, &v), -EBADMSG);
    ck_assert_int_eq(api_decode(field, "\0\0", 2, -1, &v), 0);
    ck_assert_uint_eq(v.len, 0);
}
END_TEST

START_TEST(a_signature_is_cut_to_the_room_there_is)
{
    const struct api_method *m = api_by_name("read_file");
    char whole[256], part[256];
    size_t len;

    api_signature(m, whole, sizeof whole);
    ck_assert_str_eq(whole, "read_file(path: string, offset: u64, count: u32) "
                            "-> data: bytes, eof: u32");
    len = strlen(whole);
    for (size_t size = 1; size <= len + 1; size++) {
        memset(part, 'x', sizeof part);
        api_signature(m, part, size);
        ck_assert_uint_lt(strlen(part), size);
        ck_assert_int_eq(strncmp(part, whole, strlen(part)), 0);
        ck_assert_int_eq(part[size], 'x');
    }
    ck_assert_str_eq(part, whole);
}
END_TEST

START_TEST(protocol_md_is_what_the_code_says)
{
    char path[PATH_MAX], *page = NULL, *file;
    size_t size;
    FILE *out = open_memstream(&page, &size), *in;

    ck_assert_ptr_nonnull(out);
    api_protocol_page(out);
    fclose(out);
    snprintf(path, sizeof path, "%s/harness/core/PROTOCOL.md", source_dir());
    in = fopen(path, "re");
    ck_assert_msg(in != NULL, "%s: %s", path, strerror(errno));
    file = calloc(1, size + 2); /* room for one byte too many */
    ck_assert_ptr_nonnull(file);
    ck_assert_msg(fread(file, 1, size + 1, in) == size &&
                      memcmp(file, page, size) == 0,
                  "%s is out of date: make it again with `ipcctl describe "
                  "--page > harness/core/PROTOCOL.md`",
                  path);
    fclose(in);
    free(file);
    free(page);
}
END_TEST

/* -- frames ------------------------------------------------------------------ */

/* The same three messages, however the stream is cut into reads, and whether
 * or not these may go straight into the receiver's buffer. */
START_TEST(frames_come_out_whole_however_they_came_in)
{
    static uint8_t stream[3 * WIRE_HEADER + 20000], got[WIRE_HEADER + 20000];
    const size_t payload[] = {0, 100, 19000};
    const size_t step = (size_t[]){1, 31, 32, 33, 131, 8192, 30000}[_i % 7];
    const bool straight = _i >= 7;
    size_t len = 0, sent = 0, received = 0;
    struct frames f;

    for (size_t i = 0; i < 3; i++) {
        static uint8_t data[20000];

        memset(data, (int)i + 1, payload[i]);
        len += raw_frame(stream + len, API_echo, i, data, payload[i]);
    }
    frames_init(&f);
    while (received < 3) {
        struct ipc_message msg = {.buf = got, .cap = sizeof got};
        int have = frames_take(&f, &msg);

        while (have == 0) {
            size_t room, n = len - sent < step ? len - sent : step;
            void *to = straight ? frames_place(&f, &msg, &room)
                                : frames_space(&f, &room);

            ck_assert_ptr_nonnull(to);
            ck_assert_uint_gt(room, 0);
            ck_assert_uint_gt(n, 0); /* all is there, so all must come out */
            n = n < room ? n : room;
            memcpy(to, stream + sent, n);
            sent += n;
            if (straight) {
                have = frames_cut(&f, &msg, n);
            } else {
                frames_add(&f, n);
                have = frames_take(&f, &msg);
            }
        }
        ck_assert_int_eq(have, 1);
        ck_assert_uint_eq(msg.len, WIRE_HEADER + payload[received]);
        ck_assert_uint_eq(get64(got + 16), received);
        ck_assert(payload[received] == 0 || (got[WIRE_HEADER] == received + 1 &&
                                             got[msg.len - 1] == received + 1));
        received++;
    }
    ck_assert_uint_eq(sent, len);
    ck_assert_uint_eq(frames_missing(&f), 0);
    frames_free(&f);
}
END_TEST

static int
take_header(uint32_t length, size_t cap)
{
    const struct wire_header h = {.kind = WIRE_REQUEST, .length = length};
    uint8_t got[WIRE_HEADER + 1000];
    struct ipc_message msg = {.buf = got, .cap = cap};
    struct frames f;
    size_t room;
    int result;

    frames_init(&f);
    wire_encode(&h, frames_space(&f, &room));
    frames_add(&f, WIRE_HEADER);
    result = frames_take(&f, &msg);
    if (result == 0)
        ck_assert_uint_eq(frames_missing(&f), length);
    frames_free(&f);
    /* Straight into the buffer it is the same. */
    wire_encode(&h, frames_place(&f, &msg, &room));
    ck_assert_int_eq(frames_cut(&f, &msg, WIRE_HEADER), result);
    if (result == 0)
        ck_assert_uint_eq(frames_missing(&f), length);
    frames_free(&f);
    return result;
}

START_TEST(a_length_that_cannot_be_is_refused_before_anything_is_kept_for_it)
{
    ck_assert_int_eq(take_header(0, WIRE_HEADER), 1);
    ck_assert_int_eq(take_header(1000, WIRE_HEADER + 1000), 0);
    ck_assert_int_eq(take_header(1001, WIRE_HEADER + 1000), -EBADMSG);
    ck_assert_int_eq(take_header(IPC_MAX_MSG - WIRE_HEADER, SIZE_MAX), 0);
    ck_assert_int_eq(take_header(IPC_MAX_MSG - WIRE_HEADER + 1, SIZE_MAX),
                     -EBADMSG);
    ck_assert_int_eq(take_header(UINT32_MAX, SIZE_MAX), -EBADMSG);
}
END_TEST

/* -- the run directory ------------------------------------------------------- */

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
    ck_assert_uint_eq(st.st_mode & 07777, 0755);
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
            ck_assert_uint_gt(n + 1 + strlen(m->name) + strlen(".lock"),
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
hold_lock(struct child *self, void *name)
{
    ck_assert_int_ge(endpoint_lock(name, NULL), 0);
    child_step(self);
}

START_TEST(an_endpoint_has_one_holder_and_the_kernel_lets_go_for_the_dead)
{
    char name[ENDPOINT_SIZE];
    struct child c;
    pid_t holder;
    int lock;

    ck_assert_int_eq(endpoint_name(ipc_registry[0], run_dir, name), 0);
    child_start(&c, geteuid(), hold_lock, name);
    child_wait(&c);
    ck_assert_int_eq(endpoint_lock(name, &holder), -EEXIST);
    ck_assert_int_eq(holder, c.pid);
    child_kill(&c);
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

/* -- owners ------------------------------------------------------------------ */

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

    make_fifo(0600);
    ck_assert_int_eq(check_owner(S_IFIFO, geteuid(), &peer), 0);
    ck_assert_uint_eq(peer.uid, geteuid());
    ck_assert_uint_eq(peer.gid, getegid());
    ck_assert_uint_eq(peer.evidence, IPC_OWNER);
    make_fifo(0600);
    ck_assert_int_eq(check_owner(S_IFREG, geteuid(), &peer), -EPERM);
    make_fifo(0600);
    ck_assert_int_eq(check_owner(S_IFIFO, geteuid() + 1, &peer), -EPERM);
    make_fifo(0600);
    ck_assert_int_eq(check_owner(S_IFIFO, (uid_t)-1, &peer), -EPERM);
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
    ck_assert_uint_eq(peer.gid, BOB);
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

/* -- the tables of the mechanisms -------------------------------------------- */

static void
expect_words(const char *what, const struct ipc_mechanism *m, const char *text)
{
    ck_assert_msg(text != NULL && text[0] != '\0', "%s: no %s", m->name, what);
}

START_TEST(a_mechanisms_table_agrees_with_itself)
{
    const struct ipc_mechanism *m = ipc_registry[_i];
    const char *slash = strchr(m->name, '/');
    struct ipc_limits l = {0};

    ck_assert_ptr_nonnull(slash);
    ck_assert_ptr_null(strchr(slash + 1, '/'));
    ck_assert_ptr_eq(ipc_find(m->name), m); /* so no other has this name */
    expect_words("summary", m, m->summary);
    expect_words("proof", m, m->proof);
    expect_words("wire", m, m->wire);
    ck_assert_uint_le(m->evidence, IPC_STAMPED);
    ck_assert_msg(m->server_size > 0 && m->client_size > 0,
                  "%s: a state of no size", m->name);
    ck_assert_msg(m->limits && m->create && m->next && m->reply && m->destroy &&
                      m->open && m->send && m->recv && m->close,
                  "%s: a function is missing", m->name);
    ck_assert_msg((m->pollfd != NULL) == ((m->caps & IPC_POLLABLE) != 0),
                  "%s: pollable, or a pollfd()?", m->name);
    ck_assert_msg((m->sweep != NULL) == ((m->caps & IPC_PERSISTS) != 0),
                  "%s: persists, or a sweep()?", m->name);

    if (m->caps & IPC_CALLED)
        ck_assert_uint_ne(m->caps & IPC_INPROCESS, 0);
    if (m->caps & IPC_INPROCESS)
        ck_assert_uint_eq(m->caps & (IPC_SPAWNED | IPC_PERSISTS | IPC_REMOTE),
                          0);
    /* Without a way back there is no nonce to echo; what may be lost cannot
     * be vouched for by where it came from. */
    if (m->caps & IPC_ONEWAY)
        ck_assert_uint_ne(m->evidence, IPC_OWNER);
    if (ipc_unavailable(m) != NULL)
        return;
    ck_assert_int_eq(m->limits(&l), 0);
    ck_assert_uint_le(l.max_msg, IPC_MAX_MSG);
    /* An error with its reason, at least: 4 + 2 + call.message (service.h) */
    ck_assert_uint_ge(l.max_msg, WIRE_HEADER + 6 + 160);
    ck_assert_uint_ge(l.max_inflight, 1);
    ck_assert_uint_ge(l.max_clients, 1);
    ck_assert_uint_le(l.max_clients, IPC_MAX_CLIENTS);
    if (m->caps & (IPC_SPAWNED | IPC_INPROCESS))
        ck_assert_uint_eq(l.max_clients, 1);
}
END_TEST

START_TEST(every_capability_has_a_name_and_every_level_of_evidence)
{
    unsigned known = 0;

    for (unsigned i = 0; ipc_cap_name(1u << i) != NULL; i++)
        known |= 1u << i;
    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        ck_assert_uint_eq(ipc_registry[i]->caps & ~known, 0);
    ck_assert_str_eq(ipc_cap_name(IPC_CALLED), "called");
    ck_assert_str_eq(ipc_evidence_name(IPC_CLAIMED), "K0");
    ck_assert_str_eq(ipc_evidence_name(IPC_STAMPED), "K4");
    ck_assert(ipc_find("no/such") == NULL);
}
END_TEST

Suite *
test_core(void)
{
    Suite *s = suite_create("core");
    TCase *tc = test_case(s, "wire");

    tcase_add_test(tc, a_header_is_these_32_bytes);
    tcase_add_test(
        tc, no_flipped_bit_of_a_header_goes_unnoticed_where_one_value_is_right);
    tcase_add_test(tc, a_frame_is_as_long_as_it_says);

    tc = test_case(s, "api");
    tcase_add_test(tc, the_method_table_is_consistent);
    tcase_add_test(tc, every_type_comes_back_and_every_shortening_is_noticed);
    tcase_add_test(
        tc, a_string_is_no_longer_than_its_length_can_say_and_has_no_nul);
    tcase_add_test(tc, a_signature_is_cut_to_the_room_there_is);
    add_test_if(tc, need_source(), protocol_md_is_what_the_code_says);

    tc = test_case(s, "frames");
    tcase_add_loop_test(tc, frames_come_out_whole_however_they_came_in, 0, 14);
    tcase_add_test(
        tc, a_length_that_cannot_be_is_refused_before_anything_is_kept_for_it);

    tc = test_case(s, "rundir");
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

    tc = test_case(s, "owner");
    tcase_add_test(tc,
                   only_a_private_object_of_the_right_kind_proves_its_owner);
    tcase_add_test(tc, a_system_v_object_is_its_creators);
    tcase_add_test(tc, nonces_differ_and_are_compared_to_the_last_bit);

    tc = test_case(s, "registry");
    for (int i = 0; ipc_registry[i] != NULL; i++)
        tcase_add_loop_test(tc, a_mechanisms_table_agrees_with_itself, i,
                            i + 1);
    tcase_add_test(tc, every_capability_has_a_name_and_every_level_of_evidence);
    return s;
}
