/*
 * test_hardened.c - are the programs hardened as the flags say that made them
 * (harness/hardened.sh)?  What checksec(1) would look at is looked at here: in
 * the ELF files (elf(5)).
 *
 * A flag that the compiler does not know, or that the user's own flags take
 * back, is not in the file `how` beside the programs: then its check is not
 * run.  That the Makefile names each flag is tested in test_make.c.
 */
#define _GNU_SOURCE /* memmem */
#include "core/rundir.h"
#include "test/test.h"

#include <elf.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_hardened(void);

/* -- an ELF file of this machine ------------------------------------------- */

typedef ElfW(Ehdr) elf_head;
typedef ElfW(Phdr) elf_segment;
typedef ElfW(Dyn) elf_dynamic;
typedef ElfW(Shdr) elf_section;
typedef ElfW(Sym) elf_symbol;

struct elf {
    const char *at; /* mapped */
    size_t size;
    const elf_head *head;
};

/* n things of that size at that offset. */
static const void *
part(const struct elf *e, uint64_t offset, uint64_t n, uint64_t size)
{
    ck_assert(n <= e->size / size && offset <= e->size - n * size);
    return e->at + offset;
}

static void
elf_open(struct elf *e, const char *program)
{
    char path[PATH_MAX];
    struct stat st;
    int fd;

    ck_assert_int_eq(program_path(program, path, sizeof path), 0);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(fstat(fd, &st), 0);
    e->size = (size_t)st.st_size;
    e->at = mmap(NULL, e->size, PROT_READ, MAP_PRIVATE, fd, 0);
    ck_assert_ptr_ne(e->at, MAP_FAILED);
    close(fd);
    e->head = part(e, 0, 1, sizeof *e->head);
    ck_assert_mem_eq(e->head->e_ident, ELFMAG, SELFMAG);
}

static void
elf_close(struct elf *e)
{
    munmap((void *)(uintptr_t)e->at, e->size);
}

/* The first program header of that type for which `holds` an address, if that
 * matters (not 0); or NULL. */
static const elf_segment *
segment(const struct elf *e, uint32_t type, uint64_t holds)
{
    const elf_segment *p =
        part(e, e->head->e_phoff, e->head->e_phnum, sizeof *p);

    for (int i = 0; i < e->head->e_phnum; i++)
        if (p[i].p_type == type &&
            (holds == 0 || holds - p[i].p_vaddr < p[i].p_filesz))
            return &p[i];
    return NULL;
}

/* What the dynamic section says under a tag; 0 if nothing. */
static uint64_t
dynamic(const struct elf *e, int64_t tag)
{
    const elf_segment *p = segment(e, PT_DYNAMIC, 0);
    const elf_dynamic *d;
    size_t n;

    if (p == NULL)
        return 0;
    n = p->p_filesz / sizeof *d;
    d = part(e, p->p_offset, n, sizeof *d);
    for (size_t i = 0; i < n && d[i].d_tag != DT_NULL; i++)
        if (d[i].d_tag == tag)
            return d[i].d_un.d_val;
    return 0;
}

/* The first symbol in a table (SHT_DYNSYM, SHT_SYMTAB) whose name is as wanted;
 * or NULL. */
static const elf_symbol *
symbol(const struct elf *e, uint32_t table, bool (*wanted)(const char *name))
{
    const elf_section *all =
        part(e, e->head->e_shoff, e->head->e_shnum, sizeof *all);

    for (int i = 0; i < e->head->e_shnum; i++) {
        const elf_section *s = &all[i], *text = &all[s->sh_link];
        const size_t n = s->sh_size / sizeof(elf_symbol);
        const char *names;
        const elf_symbol *sym;

        if (s->sh_type != table)
            continue;
        sym = part(e, s->sh_offset, n, sizeof *sym);
        names = part(e, text->sh_offset, text->sh_size, 1);
        for (size_t k = 0; k < n; k++)
            if (sym[k].st_name < text->sh_size &&
                wanted(names + sym[k].st_name))
                return &sym[k];
    }
    return NULL;
}

/* -- what each flag leaves in it ------------------------------------------- */

static bool
is_the_guard(const char *name)
{
    return strcmp(name, "__stack_chk_fail") == 0;
}

static bool
guards_the_stack(const struct elf *e)
{
    return symbol(e, SHT_DYNSYM, is_the_guard) != NULL;
}

/* Such as __memcpy_chk: memcpy() that is told how much room there is. */
static bool
is_a_checked_call(const char *name)
{
    const size_t n = strlen(name);

    return n > 6 && strncmp(name, "__", 2) == 0 &&
           strcmp(name + n - 4, "_chk") == 0;
}

static bool
calls_are_checked(const struct elf *e)
{
    return symbol(e, SHT_DYNSYM, is_a_checked_call) != NULL;
}

/* A shared library is ET_DYN as well. */
static bool
is_loaded_anywhere(const struct elf *e)
{
    return e->head->e_type == ET_DYN &&
           (dynamic(e, DT_FLAGS_1) & DF_1_PIE) != 0;
}

/* RELRO is full when the table of functions is filled in before main(): then it
 * is in the part that becomes read-only. */
static bool
becomes_read_only(const struct elf *e)
{
    return segment(e, PT_GNU_RELRO, 0) != NULL;
}

static bool
is_bound_at_once(const struct elf *e)
{
    return (dynamic(e, DT_FLAGS) & DF_BIND_NOW) != 0 ||
           (dynamic(e, DT_FLAGS_1) & DF_1_NOW) != 0;
}

static bool
stack_is_not_code(const struct elf *e)
{
    const elf_segment *p = segment(e, PT_GNU_STACK, 0);

    return p != NULL && (p->p_flags & PF_X) == 0;
}

#ifdef __x86_64__
/* A frame of pages is taken page by page, and each is touched: sub $4096,%rsp
 * and or $0,(%rsp) (gcc; from 16 on, of one byte) or mov $0,(%rsp) (clang). */
static bool
big_frames_are_touched(const struct elf *e)
{
#define TAKEN "\x48\x81\xec\x00\x10\x00\x00"
    static const struct {
        char code[12];
        size_t len;
    } touched[] = {{TAKEN "\x48\x83\x0c\x24", 11},
                   {TAKEN "\x80\x0c\x24", 10},
                   {TAKEN "\x48\xc7\x04\x24", 11}};

    for (size_t i = 0; i < sizeof touched / sizeof *touched; i++)
        if (memmem(e->at, e->size, touched[i].code, touched[i].len) != NULL)
            return true;
    return false;
}
#endif

/* A function begins with an instruction that says "one may jump here".  (The
 * note GNU_PROPERTY_X86_FEATURE_1_AND, by which the kernel knows that all do,
 * is not in the program where the C library's own start file, crt1.o, has none:
 * Debian's.) */
#ifdef __aarch64__
#define MARKS_FLAG "-mbranch-protection"
#elif defined __x86_64__ || defined __i386__
#define MARKS_FLAG "-fcf-protection"
#endif

#ifdef MARKS_FLAG
#ifdef __aarch64__
static const uint8_t marks[][4] = {
    {0x5f, 0x24, 0x03, 0xd5}, /* bti c */
    {0x3f, 0x23, 0x03, 0xd5}, /* paciasp, which is one, too */
};
#elif defined __x86_64__
static const uint8_t marks[][4] = {{0xf3, 0x0f, 0x1e, 0xfa}}; /* endbr64 */
#else
static const uint8_t marks[][4] = {{0xf3, 0x0f, 0x1e, 0xfb}}; /* endbr32 */
#endif

static bool
is_main(const char *name)
{
    return strcmp(name, "main") == 0;
}

static bool
jumps_have_marks(const struct elf *e)
{
    const elf_symbol *entry = symbol(e, SHT_SYMTAB, is_main);
    const elf_segment *p =
        entry == NULL ? NULL : segment(e, PT_LOAD, entry->st_value);
    const void *code;

    ck_assert_msg(p != NULL, "it is stripped");
    code = part(e, p->p_offset + (entry->st_value - p->p_vaddr), 1,
                sizeof marks[0]);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (memcmp(code, marks[i], sizeof marks[0]) == 0)
            return true;
    return false;
}
#endif

static const struct {
    const char *flag, *back; /* the flag that takes it back */
    bool (*shows)(const struct elf *e);
} hardening[] = {
    {"-fstack-protector-strong", "-fno-stack-protector", guards_the_stack},
#ifdef __GLIBC__
    {"-D_FORTIFY_SOURCE=", "-U_FORTIFY_SOURCE", calls_are_checked},
#endif
    {"-pie", "-no-pie", is_loaded_anywhere},
    {"-Wl,-z,relro", "-Wl,-z,norelro", becomes_read_only},
    {"-Wl,-z,now", "-Wl,-z,lazy", is_bound_at_once},
    {"-Wl,-z,noexecstack", "-Wl,-z,execstack", stack_is_not_code},
#ifdef __x86_64__
    {"-fstack-clash-protection", "-fno-stack-clash-protection",
     big_frames_are_touched},
#endif
#ifdef MARKS_FLAG
    {MARKS_FLAG, MARKS_FLAG "=none", jumps_have_marks},
#endif
};
#define HARDENING (int)(sizeof hardening / sizeof *hardening)

START_TEST(what_the_flags_promise_is_in_the_programs)
{
    static const char *const programs[] = {"ipcd", "ipcctl", "ipcbench"};
    struct elf e;

    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        elf_open(&e, programs[i]);
        ck_assert_msg(hardening[_i].shows(&e), "%s does not show %s",
                      programs[i], hardening[_i].flag);
        elf_close(&e);
    }
}
END_TEST

/* -- how they were made ---------------------------------------------------- */

/* The place of the last word that begins so; NULL if there is none. */
static const char *
last_word(const char *words, const char *begins)
{
    const char *last = NULL;

    for (const char *p = words; (p = strstr(p, begins)) != NULL; p++)
        if (p == words || p[-1] == ' ')
            last = p;
    return last;
}

/* The file `how`; "" without it. */
static const char *
how_made(void)
{
    static char how[1 << 14];
    char path[PATH_MAX];
    FILE *f = NULL;

    if (program_path("how", path, sizeof path) == 0)
        f = fopen(path, "re");
    if (f == NULL)
        return "";
    how[fread(how, 1, sizeof how - 1, f)] = '\0';
    fclose(f);
    return how;
}

static const char *
need_flag(int i)
{
    static char reason[HARDENING][80];
    const char *how = how_made(), *flag, *back;

    if (strstr(how, hardening[0].flag) == NULL)
        return "need a hardened build (make V=release)";
    flag = last_word(how, hardening[i].flag);
    back = last_word(how, hardening[i].back);
    if (flag != NULL && flag != back && (back == NULL || back < flag))
        return NULL;
    snprintf(reason[i], sizeof reason[i], "need a build with %s",
             hardening[i].flag);
    return reason[i];
}

Suite *
test_hardened(void)
{
    Suite *s = suite_create("hardened");
    TCase *tc = test_case(s, "hardened");

    for (int i = 0; i < HARDENING; i++)
        add_loop_test_if(tc, need_flag(i),
                         what_the_flags_promise_is_in_the_programs, i);
    return s;
}
