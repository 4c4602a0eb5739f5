#!/bin/sh
# selfcheck.sh - does the grader judge what is known as it is known?
#
#       selfcheck.sh hardened [LAB...]  one variant of each directory: 100 points
#       selfcheck.sh textbook [LAB...]  fails in what its lines in textbook.fails
#                                       say, and in nothing else
#       selfcheck.sh skeleton [LAB...]  compiles without a warning, scores 0, and
#                                       is told what is not written
#       selfcheck.sh blocks [LAB...]    each block blank alone: a step fails that
#                                       else does not, and its verdict names it
#       selfcheck.sh hunt [N...]        each bug of the museum is found in the step
#                                       that it names, and its cause is told
#       selfcheck.sh hungry [KIND...]   who takes memory without end, its own or in
#                                       segments, is told so, and where
#       selfcheck.sh class [KIND...]    submissions of more than thirty kinds that
#                                       cannot be built, fork without end, fill
#                                       what there is, or leave daemons: each has
#                                       its line, nothing of them is left
#
# O=build/release is where the programs are.  A line for each; exit 1 if one is
# not as it should be.
set -eu

cd "$(dirname "$0")/../.."
top=$PWD
O=${O:-build/release}
ipclab=$top/$O/ipclab
make=${MAKE:-make}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/ipclab-selfcheck-XXXXXX")
chmod 755 "$scratch"
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
wrong=0

labs="pipe fifo msgq shm sem socket mmap signals"
hardened="pipe/coprocess fifo/perclient msgq/sysv-private shm/futex sem/mailbox \
socket/stream mmap/file signals/doorbell"

say() { # say WELL WHAT: one line
    if [ "$1" = yes ]; then
        echo "  ok        $2"
    else
        echo "  NOT SO    $2"
        wrong=$((wrong + 1))
    fi
}

# build LAB [PROGRAM]: the programs with $scratch/LAB/work/LAB.c, to $scratch/build;
# with fast/check, which takes longest, only what is called bare is another program.
build() {
    b=$scratch/build
    "$make" -s --no-print-directory -o "$O/how" O="$O" L="$1" \
        MINE="$scratch/$1/work/$1.c" W="$b" "$b/ipcd" "$b/ipcctl" "$b/check" \
        "$b/${2:-fast/check}" > "$scratch/make.txt" 2>&1 || {
        cat "$scratch/make.txt"
        return 1
    }
}

# check LAB[.STEP]: its verdict goes to $scratch/verdict, failures to failed.
check() {
    (cd "$scratch" && "$ipclab" check "$1" --programs build --tap tap) \
        > "$scratch/verdict" 2>&1 || true
    failures "$scratch/tap" > "$scratch/failed"
}

failures() {
    sed -n 's/^not ok [0-9]* - [^ ]* //p' "$1" | sort
}

sum() {
    tail -n 1 "$scratch/verdict"
}

hardened() {
    for m in $hardened; do
        case " ${chosen:-$labs} " in
            *" ${m%/*} "*) ;;
            *) continue ;;
        esac
        "$ipclab" check "$m" --tap "$scratch/tap" > "$scratch/verdict" 2>&1 ||
            true
        of=$(sum | sed -n 's/^\([0-9.]*\) of \([0-9.]*\).*/\1 \2/p')
        [ -n "$of" ] && [ "${of% *}" = "${of#* }" ] && all=yes || all=no
        say "$all" "$m: $(sum)"
        [ "$all" = yes ] || failures "$scratch/tap"
    done
}

textbook() {
    for lab in ${chosen:-$labs}; do
        "$ipclab" check "$lab/textbook" --tap "$scratch/tap" \
            > "$scratch/verdict" 2>&1 || true
        failures "$scratch/tap" > "$scratch/failed"
        # What cannot run here is not failed.
        sed -n 's/^ok [0-9]* - [^ ]* \([^ ]*\) # SKIP.*/\1/p' "$scratch/tap" \
            > "$scratch/skipped"
        sed -n "s/^$lab //p" harness/lab/textbook.fails |
            grep -vxF -f "$scratch/skipped" | sort > "$scratch/expected" || true
        if diff "$scratch/expected" "$scratch/failed" > "$scratch/diff"; then
            say yes "$lab/textbook: $(sum)"
        else
            say no "$lab/textbook: < said in textbook.fails, > found:"
            cat "$scratch/diff"
        fi
    done
}

skeleton() {
    for lab in ${chosen:-$labs}; do
        rm -rf "${scratch:?}/$lab" "$scratch/build"
        mkdir -p "$scratch/$lab/work" "$scratch/build"
        awk -v lab="$lab" -v blank=all -f harness/lab/skeleton.awk \
            "$lab/textbook.c" > "$scratch/$lab/work/$lab.c"
        build "$lab" || say no "$lab: does not compile"
        grep -q warning "$scratch/make.txt" && say no "$lab: a warning"
        check "$lab"
        if sum | grep -q '^0 of ' &&
            grep -q 'not written yet' "$scratch/verdict"; then
            say yes "$lab: $(sum)"
        else
            say no "$lab: $(sum)"
        fi
    done
}

# What is told of what the textbook form does not fail in, on one line.
verdicts_of_lost() {
    awk 'NR == FNR { lost[$0]; next } /^(not )?ok/ { its = $NF in lost } its' \
        "$scratch/lost" "$scratch/tap" | sed 's/^#* *//' | tr '\n' ' '
}

blocks() {
    for lab in ${chosen:-$labs}; do
        for block in ${BLOCKS:-$(sed -n 's|^ */\* block \([a-z]*\):.*|\1|p' \
            "$lab/textbook.c")}; do
            rm -rf "${scratch:?}/$lab" "$scratch/build"
            mkdir -p "$scratch/$lab/work" "$scratch/build"
            awk -v lab="$lab" -v blank="$block" -f harness/lab/skeleton.awk \
                "$lab/textbook.c" > "$scratch/$lab/work/$lab.c"
            build "$lab" || say no "$lab.$block: does not compile"
            check "$lab"
            sed -n "s/^$lab //p" harness/lab/textbook.fails |
                grep -vxF -f - "$scratch/failed" > "$scratch/lost" || :
            if verdicts_of_lost |
                grep -q "$block() is not written yet\|not written yet: .*$block()"; then
                say yes "$lab.$block: $(sum)"
            else
                say no "$lab.$block: $(sum)"
                cat "$scratch/verdict"
            fi
        done
    done
}

# What `make check` tells of the first failure of that step, on one line; of a test
# that the textbook form fails in, too, it is not told: then of the one that the bug
# names, which TAP has.
verdict_of_bug() {
    grep -q '^   Because\|^   Saw' "$scratch/verdict" || return 0
    taught=$(sed -n '/^   Checking/,/^   Hint/p' "$scratch/verdict")
    case $step in
        [6-9])
            taught=$(awk -v test=" $caught\$" '/^(not )?ok/ { its = $0 ~ test }
                its' "$scratch/tap")
            ;;
    esac
    echo "$taught" | sed 's/^#* *//' | tr '\n' ' ' | tr -s ' '
}

# The functions of that file in which these lines are.
functions_at() { # FILE LINE...
    its=$1
    shift
    awk -v lines=" $* " '/^[a-z_]+\(/ { name = $0; sub(/\(.*/, "", name) }
        index(lines, " " NR " ") { print name }' "$its"
}

# Those that the bug changes, and who calls them.
functions_of_bug() { # WITH WITHOUT
    # shellcheck disable=SC2046 # they are numbers
    changed=$(
        functions_at "$1" $(diff --unchanged-line-format= \
            --old-line-format='%dn ' --new-line-format= "$1" "$2")
        functions_at "$2" $(diff --unchanged-line-format= \
            --old-line-format= --new-line-format='%dn ' "$1" "$2")
    )
    for one in $changed; do
        echo "$one"
        awk -v one="$one" '/^[a-z_]+\(/ { name = $0; sub(/\(.*/, "", name) }
            name != one && index($0, one "(") { print name }' "$1"
    done
}

# Where a student is sent to look: is it there?  The line that makes what is left
# over counts, too.  A bug whose pattern names a function has its own answer.
looks_at_bug() { # WITH WITHOUT
    case $told in *work_* | *textbook_* | *'\(\)'*) return 0 ;; esac
    look=$(verdict_of_bug | sed -n 's/.* Look at \(.*\) Read .*/\1/p')
    made=$(echo "$look" | grep -o 'in line [0-9]*\|, in [0-9]*' | tr -dc '0-9\n')
    # shellcheck disable=SC2086 # they are numbers
    {
        echo "$look" | grep -o '[a-z_]*()' | tr -d '()'
        functions_at "$1" $made
    } > "$scratch/looked"
    functions_of_bug "$1" "$2" | grep -qxF -f "$scratch/looked"
}

# The fourth line of a bug: the step in which it is found, and what is told then.
hunt() {
    for file in harness/lab/hunt/*.sed; do
        number=${file##*/}
        number=${number%%-*}
        lab=${file##*-}
        lab=${lab%.sed}
        case " ${chosen:-$number} " in
            *" $number "* | *" ${number#0} "*) ;;
            *) continue ;;
        esac
        caught=$(sed -n '1,4s/^# caught: //p' "$file")
        told=$(sed -n '1,4s/^# told: [0-9]* //p' "$file")
        step=$(sed -n '1,4s/^# told: \([0-9]*\) .*/\1/p' "$file")
        rm -rf "${scratch:?}/$lab" "$scratch/build"
        mkdir -p "$scratch/$lab/work" "$scratch/build"
        harness/lab/hunt.sh plant "$number" "$scratch/$lab/work/$lab.c" \
            > /dev/null
        awk -v lab="$lab" -v blank=none -f harness/lab/skeleton.awk \
            "$lab/textbook.c" > "$scratch/without.c"
        case $step in
            6 | 10) build "$lab" ;; # which have bare ones
            *) build "$lab" check ;;
        esac || say no "$number $lab: does not compile"
        check "$lab.$step"
        if verdict_of_bug | grep -Eq "$told" &&
            ! looks_at_bug "$scratch/$lab/work/$lab.c" "$scratch/without.c"; then
            say no "$number $lab.$step: this is not where it is: $look"
        elif verdict_of_bug | grep -Eq "$told"; then
            say yes "$number $lab.$step: $told"
        elif grep -q 'Not judged' "$scratch/verdict" &&
            grep -qF " $caught # SKIP" "$scratch/tap"; then
            say yes "$number $lab.$step: cannot be judged here"
        else
            say no "$number $lab.$step: it is not told that $told"
            cat "$scratch/verdict"
        fi
    done
}

# -- a class, of which many are hostile -------------------------------------------

# submission NAME CODE: the textbook form, whose create() does that first.
submission() {
    mkdir -p "$scratch/class/$1"
    awk -v lab=fifo -v blank=none -f harness/lab/skeleton.awk fifo/textbook.c |
        CODE=$2 awk '/^#include <errno.h>/ {
                print "#include <mqueue.h>\n#include <sched.h>"
                print "#include <signal.h>\n#include <stdlib.h>"
                print "#include <sys/mman.h>\n#include <sys/msg.h>"
                print "#include <sys/sem.h>"
                print "#include <sys/resource.h>\n#include <sys/shm.h>"
                print "#include <sys/socket.h>\n#include <sys/un.h>"
            }
            { print }
            /strcpy\(s->name, name\);/ { print ENVIRON["CODE"] }' \
            > "$scratch/class/$1/fifo.c"
}

# before NAME CODE: the textbook form, with that above it.
before() {
    submission "$1" ''
    { echo '#define _GNU_SOURCE' && echo "$2" &&
        cat "$scratch/class/$1/fifo.c"; } > "$scratch/new"
    mv "$scratch/new" "$scratch/class/$1/fifo.c"
}

# no_file NAME: where its file should be there is something else.
no_file() {
    mkdir -p "$scratch/class/$1"
    echo "$scratch/class/$1/fifo.c"
}

# What is told of one of these: a word of its line; "-": it does not matter.
# C, as sh has to quote it; each kind is called by its name.
# shellcheck disable=SC2016
hostile() {
    case $1 in
        honest) submission "$1" '/* of the honest one */' ;; # or nothing is proved
        blank) submission "$1" 'return -ENOSYS;' ;;
        # -- which cannot be built, or not be read
        broken) submission "$1" 'this is not C' ;;
        zero) before "$1" '#include "/dev/zero"' ;;
        itself) before "$1" '#include __FILE__
#include __FILE__' ;;
        macros)
            before "$1" "$(awk 'BEGIN { print "#define X0 1"
                for (i = 1; i < 40; i++) printf "#define X%d X%d+X%d\n", i, i-1, i-1
                print "int x = X39;" }')"
            ;;
        huge) before "$1" 'char huge[1UL << 36] = {1};' ;;
        shadow) before "$1" '__asm__(".incbin \"/etc/shadow\"");' ;;
        link) ln -s /etc/shadow "$(no_file "$1")" ;;
        linked)
            mkdir -p "$scratch/class/$1/fifo"
            ln -s "$scratch/class/blank" "$scratch/class/$1/fifo/work"
            ;;
        twin)
            submission "$1-of" ''
            ln "$scratch/class/$1-of/fifo.c" "$(no_file "$1")"
            ;;
        pipe) mkfifo "$(no_file "$1")" ;;
        directory) mkdir -p "$(no_file "$1")" ;;
        device) ln -s /dev/zero "$(no_file "$1")" ;;
        away)
            mkdir -p "$scratch/class"
            ln -s "$scratch/class/honest" "$scratch/class/$1"
            ;;
        large) head -c 2000000 /dev/zero | tr '\0' ' ' > "$(no_file "$1")" ;;
        nothing) mkdir -p "$scratch/class/$1" ;;
        # -- processes
        bomb) submission "$1" 'for (;;) fork();' ;;
        early)
            before "$1" '#include <unistd.h>
__attribute__((constructor)) static void f(void) { for (;;) fork(); }'
            ;;
        daemon)
            submission "$1" 'signal(SIGTERM, SIG_IGN); if (fork() == 0) { setsid();
if (fork() == 0) for (;;) { static char b[1 << 20]; char p[64];
snprintf(p, 64, "/dev/shm/hostile-%d", getpid()); FILE *f = fopen(p, "a");
if (f != NULL) { fwrite(b, 1, sizeof b, f); fclose(f); } } }'
            ;;
        deaf)
            submission "$1" 'sigset_t all; sigfillset(&all);
sigprocmask(SIG_BLOCK, &all, NULL); for (int i = 1; i < 65; i++)
signal(i, SIG_IGN); for (;;) sigsuspend(&all);'
            ;;
        parent) submission "$1" 'kill(getppid(), SIGKILL); kill(getppid(), SIGSTOP);' ;;
        everybody) submission "$1" 'kill(-1, SIGKILL);' ;;
        stopper) submission "$1" 'kill(-1, SIGSTOP);' ;;
        spaces)
            submission "$1" 'if (fork() == 0) { unshare(CLONE_NEWUSER |
CLONE_NEWPID | CLONE_NEWIPC); if (fork() == 0) { setsid(); for (;;) pause(); } }'
            ;;
        # -- what outlives its process
        queues)
            submission "$1" 'for (int i = 0; i < 2000; i++) { char p[64];
snprintf(p, 64, "/hostile-%d", i); mq_open(p, O_CREAT | O_RDWR, 0666, NULL); }'
            ;;
        sysv)
            submission "$1" 'for (int i = 0; i < 5000; i++) {
msgget(0x686f0000 + i, IPC_CREAT | 0666);
semget(0x686f0000 + i, 10, IPC_CREAT | 0666);
shmget(0x686f0000 + i, 1 << 20, IPC_CREAT | 0666); }'
            ;;
        listener)
            submission "$1" 'if (fork() == 0) { setsid(); struct sockaddr_un a =
{.sun_family = AF_UNIX, .sun_path = "\0hostile"}; int fd = socket(AF_UNIX,
SOCK_STREAM, 0); bind(fd, (struct sockaddr *)&a, sizeof a); listen(fd, 5);
for (;;) pause(); }'
            ;;
        # -- memory
        memory)
            submission "$1" 'for (;;) { char *p = malloc(1 << 20);
if (p != NULL) memset(p, 1, 1 << 20); }'
            ;;
        herd)
            before "$1" '#include <stdlib.h>
#include <string.h>
#include <unistd.h>
__attribute__((constructor)) static void f(void) {
for (int i = 0; i < 200 && fork() != 0; i++) continue;
for (;;) { char *p = malloc(1 << 20); if (p != NULL) memset(p, 1, 1 << 20); } }'
            ;;
        memfds)
            submission "$1" 'for (;;) { static char b[1 << 20];
int fd = memfd_create("hostile", 0);
for (int i = 0; i < 60; i++) if (write(fd, b, sizeof b) < 0) break; }'
            ;;
        segments)
            submission "$1" 'for (;;) { int id = shmget(IPC_PRIVATE, 60 << 20, 0600);
char *p = shmat(id, NULL, 0);
if (p != (char *)-1) { memset(p, 1, 60 << 20); shmdt(p); } }'
            ;;
        # -- files
        output)
            submission "$1" 'for (;;) { static char b[65536];
for (int i = 1; i < 10; i++) (void)!write(i, b, sizeof b); }'
            ;;
        disk)
            submission "$1" 'for (int i = 0;; i++) { static char b[1 << 20];
char p[64]; snprintf(p, 64, "hostile-%d", i % 1000); FILE *f = fopen(p, "a");
if (f != NULL) { fwrite(b, 1, sizeof b, f); fclose(f); } }'
            ;;
        deep)
            submission "$1" 'for (int i = 0; i < 20000; i++)
if (mkdir("hostile", 0777) == -1 || chdir("hostile") == -1) break;'
            ;;
        names)
            submission "$1" 'mkdir("out/a\nb", 0777);
(void)!open("out/a\nb/\"; rm -rf $HOME; \033[2J", O_CREAT | O_WRONLY, 0666);
(void)!open("out/-rf", O_CREAT | O_WRONLY, 0666);'
            ;;
        results)
            submission "$1" 'unlink("out/results.json");
mkfifo("out/results.json", 0666); mkfifo("out/hostile", 0666);'
            ;;
        forged)
            submission "$1" 'FILE *f = fopen("out/results.json", "w");
fprintf(f, "{\"tests\": [{\"number\": \"1\", \"score\": 9,"
"\"max_score\": 9}]%2000000s}", ""); fclose(f);
f = fopen("out/verdict.txt", "a"); fputs("\033[2J", f); fclose(f);
kill(-1, SIGKILL);'
            ;;
        # -- others
        neighbour)
            submission "$1" 'signal(SIGCHLD, SIG_DFL);
(void)!system("mkdir -p out/evidence; \
cat ../ipclab-*/fifo/work/fifo.c > out/evidence/0-stolen.txt");'
            ;;
        network)
            submission "$1" 'signal(SIGCHLD, SIG_DFL);
(void)!system("mkdir -p out/evidence; \
readlink /proc/self/ns/net > out/evidence/0-network.txt");'
            ;;
        elsewhere)
            submission "$1" 'rename("out", "in"); (void)!symlink("/etc", "out");'
            ;;
        descriptors)
            submission "$1" 'for (int i = 3; i < 1024; i++)
(void)!write(i, "hostile\n", 8);'
            ;;
        limits)
            submission "$1" 'struct rlimit no = {0, 0};
for (int i = 0; i < 16; i++) prlimit(getppid(), i, &no, NULL);'
            ;;
    esac
}

kinds="honest blank broken zero itself macros huge shadow link linked twin pipe directory \
device away large nothing bomb early daemon deaf parent everybody stopper spaces \
queues sysv listener memory herd memfds segments output disk deep names results \
forged neighbour network elsewhere descriptors limits"

# Not in a class: its cells are slow to get a gigabyte on a busy machine.
hungry() {
    for one in ${chosen:-memory segments}; do
        rm -rf "${scratch:?}/fifo" "$scratch/build"
        mkdir -p "$scratch/fifo" "$scratch/build"
        hostile "$one"
        mv "$scratch/class/$one" "$scratch/fifo/work"
        build fifo check || say no "$one: does not compile"
        check fifo.1
        had=$(tr '\n' ' ' < "$scratch/verdict" | tr -s ' ' |
            grep -o 'the server (pid [0-9]*) had [1-9][0-9]* MB.*in work_create()' || :)
        case $one/$had in
            memory/*' MB when it was '* | segments/*' MB in System V segments when '*)
                say yes "$one: ${had%%: it takes*}"
                ;;
            *)
                say no "$one: it is not told"
                cat "$scratch/verdict"
                ;;
        esac
    done
}

# Whoever runs one of the programs that were built for them.
still_there() {
    for exe in /proc/[0-9]*/exe; do
        case $(readlink "$exe" 2> /dev/null) in
            "$scratch"/*) echo "$exe" ;;
        esac
    done
}

# What they made has that in its name, or in its key.
left_of_them() {
    still_there
    find /dev/shm /dev/mqueue /tmp -maxdepth 1 -name '*hostile*' 2> /dev/null
    ipcs | grep -i 0x686f || :
    grep -a @hostile /proc/net/unix || :
    ls "$scratch/work"
}

# Whether a secret of ours has come into what is handed back: a hash of shadow's;
# what root's cells, which are users of their own, keep from each other; and our
# network.
told_secrets() {
    [ ! -r /etc/shadow ] || grep -rlF "$(head -n 1 /etc/shadow)" \
        "$scratch/results" || :
    [ "$(id -u)" -ne 0 ] || grep -lF 'of the honest one' \
        "$scratch/results/neighbour/evidence/0-stolen.txt" 2> /dev/null || :
    # ESC, which a terminal does not show.
    grep -rl "$(printf '\033')" "$scratch/results" || :
    grep -lxF "$(readlink /proc/self/ns/net)" \
        "$scratch/results/network/evidence/0-network.txt" 2> /dev/null || :
}

# Does it do what it is here for?  What does not compile does nothing.
is_so() {
    case $1 in
        broken | zero | itself | macros | huge | shadow | large) return 0 ;;
        *) ! echo "$2" | grep -q 'does not compile' ;;
    esac
}

class() {
    dirs=
    for one in ${chosen:-$kinds}; do
        hostile "$one"
        dirs="$dirs $scratch/class/$one"
    done
    mkdir -p "$scratch/work"
    # shellcheck disable=SC2086 # they are words
    TMPDIR=$scratch/work "$ipclab" grade -o "$scratch/results" \
        --seconds "${SECONDS_EACH:-40}" fifo $dirs
    for one in ${chosen:-$kinds}; do
        line=$(grep "^\"$one\"," "$scratch/results/summary.csv" || :)
        case $one in
            honest) wanted='^"honest",[1-9][0-9]' ;;
            memfds) wanted='^"[a-z]*",0.*too much memory' ;;
            spaces | queues | sysv | listener | deep | names | results | \
                neighbour | network | elsewhere | descriptors | limits) wanted='^"[a-z]*",' ;;
            *) wanted='^"[a-z]*",0' ;; # they have not served anybody
        esac
        if echo "$line" | grep -q "$wanted" && is_so "$one" "$line"; then
            say yes "$line"
        else
            say no "$one: $line"
            tail -n 5 "$scratch/results/$one/make.txt" 2> /dev/null || :
        fi
    done
    left=$(left_of_them)
    if [ -z "$left" ]; then
        say yes "nothing of them is left"
    else
        say no "left: $left"
    fi
    if [ -z "$(told_secrets)" ]; then
        say yes "none of them was told what is not theirs"
    else
        say no "what is not theirs: $(told_secrets)"
    fi
}

verb=${1:?hardened, textbook, skeleton, blocks, hunt, hungry or class}
shift
chosen=$*
case $verb in
    hardened | textbook | skeleton | blocks | hunt | hungry | class) "$verb" ;;
    *)
        sed -n 's/^#       selfcheck.sh/&/p' harness/lab/selfcheck.sh >&2
        exit 64
        ;;
esac
[ $wrong = 0 ]
