#!/usr/bin/env bash
# mutate.sh - does a test notice when a line is wrong?  Makes one small fault at
# a time, runs the tests of that file, and says which faults nobody noticed.
#
#       harness/test/mutate.sh fifo/perclient.c ...     every mutant; hours
#       harness/test/mutate.sh -n 20 shm/*.c            20 of each file, spread
#       harness/test/mutate.sh -n 20 -s 7 shm/*.c       20 others
#       harness/test/mutate.sh -l 87 socket/tcp.c       those of one line
#       harness/test/mutate.sh -p socket/tcp.c          prints them, runs nothing
#
# One line for each mutant, FILE:LINE first, and one for each file at the end.
#
#       killed          a test failed, or did not end: it is named
#       SURVIVED        every test passed.  Write the test that fails with this
#                       fault, or see that it makes no difference, or that only
#                       time is lost: below is what that was mostly
#       equal           the compiler makes the same program of it
#       no program      it does not compile
#
# The faults: a statement left out; the condition of an if or while, or one side
# of && and ||, turned round or taken for granted; < for <= and the like; 0 or
# true returned instead of an error, and the other way round.  Which -errno a
# system call is passed on with is not tried: test_fault.c has those that matter.
#
# As root: the mutants are programs of root's with a fault in them, so they run
# in a copy of this checkout and in PID, IPC and mount namespaces of their own,
# where /tmp and /dev/shm are new and / can only be read.  When a run has ended,
# so has all that it started.  Built first: make.  On a machine that has nothing
# else to do: on a busy one tests end by their own time limits, fault or no fault.
# TIME=120: seconds for one suite, at most.
#
# What survives, and may:
#   - the value that a helper's error is passed on with, where any error will do:
#     `return err` for -ENOENT at the end of a clean-up;
#   - a test of whether something can run at all here (link_unavailable()), and
#     what it asks (open_pidfd() in link.c): those tests say then that they cannot
#     run;
#   - where connect(2) or the like may succeed at once or later, the branch that
#     this kernel does not take (tcp.c, connect_until());
#   - < for <= where the value cannot occur: a deadline hit to the nanosecond, a
#     message of exactly the size that the layer above has refused.
set -euo pipefail

usage() {
    sed -n '5,9s/^# *//p' "${BASH_SOURCE[0]}" >&2
    exit 64
}

amount=0 seed=0 only=0 print=
while getopts n:s:l:p option; do
    case $option in
    n) amount=$OPTARG ;;
    s) seed=$OPTARG ;;
    l) only=$OPTARG ;;
    p) print=1 ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
if [ $# = 0 ] || ! [[ $amount$seed$only =~ ^[0-9]+$ ]]; then usage; fi
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TIME=${TIME:-120}

# -- the mutants of a file ----------------------------------------------------

# OFFSET LENGTH LINE REPLACEMENT, tabs between, offsets in bytes from 1.  The
# reader knows as much C as clang-format leaves possible.
mutants_of() {
    LC_ALL=C awk '
# What is no code, made blank, so that all stays where it is: comments, strings,
# directives, and what stands outside of functions.
function blank(text,    out, i, c, two, state, start) {
    out = ""
    state = ""
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        two = substr(text, i, 2)
        start = i == 1 || substr(text, i - 1, 1) == "\n"
        if (state == "" && two == "/*") { state = "*"; out = out "  "; i++ }
        else if (state == "*" && two == "*/") { state = ""; out = out "  "; i++ }
        else if (state == "" && start && c == "#") { state = "#"; out = out " " }
        else if (state == "#" && c == "\n" && substr(text, i - 1, 1) != "\\") {
            state = ""; out = out c
        } else if (state == "" && (c == "\"" || c == "\047")) {
            state = c; out = out "0"
        } else if (state == c && (c == "\"" || c == "\047")) {
            state = ""; out = out "0"
        } else if ((state == "\"" || state == "\047") && c == "\\") {
            out = out "00"; i++
        } else
            out = out covered(state, c)
    }
    return out
}
function covered(state, c) {
    if (state == "" || c == "\n") return c
    return state == "*" || state == "#" ? " " : "0"
}
function line_of(at,    n) {
    n = substr(text, 1, at)
    return gsub(/\n/, "", n) + 1
}
function mutant(from, to, by) {
    gsub(/\n */, " ", by)
    printf "%d\t%d\t%d\t%s\n", from, to - from + 1, line_of(from), by
}
# The bracket that closes the one at i.
function closing(i,    depth, c) {
    for (depth = 0; i <= end; i++) {
        c = substr(code, i, 1)
        if (c ~ /[([{]/) depth++
        if (c ~ /[])}]/ && --depth == 0) return i
    }
    return 0
}
# The end of the operand at i, going forth (step 1) or back (-1).
function operand(i, step,    depth, c, two) {
    for (depth = 0; i > begin && i < end; i += step) {
        c = substr(code, i, 1)
        two = step > 0 ? substr(code, i, 2) : substr(code, i - 1, 2)
        if (c ~ (step > 0 ? "[([{]" : "[])}]")) depth++
        else if (c ~ (step > 0 ? "[])}]" : "[([{]")) { if (depth-- == 0) break }
        else if (depth == 0 && (c ~ /[;,?:]/ || two == "&&" || two == "||"))
            break
        else if (depth == 0 && step < 0 && c == "=" &&
                 substr(code, i - 1, 3) == " = ")
            break
        else if (depth == 0 && step < 0 && substr(code, i - 5, 6) == "return")
            break
    }
    return i - step
}
function trim_forth(i) { while (substr(code, i, 1) ~ /[ \n]/) i++; return i }
function trim_back(i) { while (substr(code, i, 1) ~ /[ \n]/) i--; return i }
function operators(    i, two, c, from, to, granted) {
    for (i = begin; i < end; i++) {
        c = substr(code, i, 1)
        two = substr(code, i, 2)
        if (two == "&&" || two == "||") {
            granted = two == "&&" ? "1" : "0"
            from = trim_forth(i + 2)
            to = trim_back(operand(i + 2, 1))
            mutant(from, to, granted)
            from = trim_forth(operand(i - 1, -1))
            to = trim_back(i - 1)
            mutant(from, to, granted)
            i++
        } else if (substr(code, i - 1, 3) ~ /^ [<>] $/)
            mutant(i, i, c "=")
        else if (two == "<=" || two == ">=")
            mutant(i, i + 1, c)
    }
}
function type_ahead(s) {
    return s ~ /^(const|static|struct|enum|union|unsigned|signed|volatile|_Atomic|alignas|register|int|char|long|short|bool|void|double|float|FILE|DIR|size_t|ssize_t|socklen_t) *[ *(]/ ||
           s ~ /^[a-z_0-9]+ \**[a-z_0-9]+( =|;|,|\[)/ && s !~ /^return/
}
function statements(    i, s, word, last, from) {
    i = begin + 1
    while (i < end) {
        i = trim_forth(i)
        s = substr(code, i, 200)
        if (substr(s, 1, 1) ~ /[{};]/) { i++; continue }
        match(s, /^[A-Za-z_0-9]+/)
        word = RLENGTH > 0 ? substr(s, 1, RLENGTH) : ""
        if (word == "else" || word == "do") { i += length(word); continue }
        if (word == "case" || word == "default") {
            i += index(s, ":"); continue
        }
        if (word ~ /^(if|while|for|switch)$/) {
            from = index(s, "(") + i - 1
            last = closing(from)
            if (word == "if" || word == "while")
                mutant(from + 1, last - 1,
                       "!(" substr(text, from + 1, last - from - 1) ")")
            i = last + 1
            continue
        }
        if (s ~ /^[a-z_]+:\n/) { i += index(s, ":"); continue } # a label
        from = i
        for (; i < end && substr(code, i, 1) != ";"; i++)
            if (substr(code, i, 1) ~ /[([{]/) i = closing(i)
        s = substr(code, from, i - from)
        if (word == "return") {
            sub(/^return */, "", s)
            if (s == "0") mutant(from, i - 1, "return -1")
            else if (s == "true") mutant(from, i - 1, "return false")
            else if (s == "false") mutant(from, i - 1, "return true")
            else if (s !~ /^-errno$|^$/) mutant(from, i - 1, "return 0")
        } else if (word != "continue" && s != "err = -errno" && !type_ahead(substr(code, from, 200)))
            mutant(from, i - 1, "(void)0")
        i++
    }
}
{ text = text $0 "\n" }
END {
    code = blank(text)
    for (at = 1; (n = index(substr(code, at), "\n{\n")) > 0; at = end) {
        begin = at + n
        end = begin + index(substr(code, begin), "\n}\n")
        statements()
        operators()
    }
}' "$1" | sort -n -k1,1 -k2,2 | uniq |
        # Those of one line, or so many of all, evenly spread.
        awk -F'\t' -v only="$only" -v amount="$amount" -v seed="$seed" '
        only == 0 || $3 == only { all[n++] = $0 }
        END {
            every = amount > 0 && amount < n ? n / amount : 1
            for (i = seed % (int(every) + 1); int(i) < n; i += every)
                print all[int(i)]
        }'
}

# -- the tests of a file ------------------------------------------------------

suites_in() {
    sed -n 's/.*suite_create("\([a-z_]*\)").*/\1/p' "$@"
}

mechanisms_in() {
    sed -n 's/.*\.name = "\([a-z]*\/[a-z-]*\)".*/\1/p' "$@"
}

# The mechanisms that this file is; or those that use it, or of its directory.
cases_of() {
    local users
    mapfile -t users < <(grep -l "\"$(basename "$1" .c).h\"" "${1%/*}"/*.c)
    {
        mechanisms_in "$1"
        mechanisms_in "${users[@]}"
        mechanisms_in "${1%/*}"/*.c
    } | awk -v most="$(mechanisms_in "$1" | wc -l)" '
        !seen[$0]++ && n++ < (most > 0 ? most : 2)'
}

# SUITE CASE, - for all of them; the quick ones first.  Of what every mechanism
# has to go through: not what takes minutes (slow, fault, attack).
tests_of() {
    local suite case
    case $1 in
    harness/core/rendezvous.c | harness/core/object.c | harness/core/sessions.c)
        suite='rendezvous sessions rings broker' case=mmap/file ;;
    harness/core/owner.c | harness/core/rundir.c)
        suite='rundir ctl rendezvous' case=fifo/perclient ;;
    harness/core/quota.c)
        suite='quota sessions' case=fifo/perclient ;;
    harness/core/turn*.c | harness/core/handoff.c)
        suite='turn turnfile mmap' case=$'shm/reclock\nmmap/lockfile' ;;
    harness/core/set*.c)
        suite='sets sem shm_sysv' case=$'shm/sysv\nsem/values' ;;
    harness/core/*.c)
        suite='wire library rundir ctl' case=fifo/perclient ;;
    harness/server/*.c)
        suite='drop audit broker policy rules confine listen_fds ctl methods'
        case= ;;
    *)
        suite=$(suites_in "${1%/*}"/test_*.c) case=$(cases_of "$1") ;;
    esac
    for suite in $suite; do echo "$suite -"; done
    for suite in ${case:+conformance crash messages drop crowd neighbours}; do
        while read -r name; do echo "$suite $name"; done <<< "$case"
    done
}

# -- a run --------------------------------------------------------------------

# Runs one suite or case, until the first test of it fails, which it prints.
# Check writes a line for each test as it ends; the namespaces end with us.
# shellcheck disable=SC2016 # text for another shell
readonly RUN='set -e
mount --bind "$copy" /mnt
mount -t tmpfs -o mode=1777 tmp /tmp
mkdir -m 755 "$copy"
mount --move /mnt "$copy"
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -o remount,bind,ro /
results=/tmp/results some=
mkfifo "$results"
export CK_TAP_LOG_FILE_NAME=$results CK_RUN_SUITE=$1
[ "$2" = - ] || export CK_RUN_CASE=$2
"$copy/build/release/check" > /dev/null 2>&1 &
while read -r line; do
    case $line in
    not\ ok*) echo "${line#*- }"; exit 1 ;;
    ok*) some=1 ;;
    esac
done < "$results"
[ -n "$some" ] || { echo "no test was run"; exit 2; }
wait $! || { echo "the program itself"; exit 1; }
'

run_tests() { # of standard input; 1: what has failed is on standard output
    local suite case limit status
    while read -r suite case limit; do
        timeout -k 1 "${limit:-$TIME}" nice -n 10 unshare -m -p -i --fork \
            --kill-child --mount-proc --propagation private \
            bash -c "$RUN" mutant \
            "$suite" "$case" < /dev/null && continue
        status=$?
        [ $status -lt 124 ] || echo "$suite $case: it does not end"
        return 1
    done
}

# Of standard input those tests that there are, and that pass, each with the
# seconds that it gets: ten, and ten times what it takes without a fault.
choose_tests() {
    local test said begin limit
    while read -r test; do
        begin=$SECONDS
        if said=$(run_tests <<< "$test"); then
            limit=$((10 + 10 * (SECONDS - begin)))
            echo "$test $((limit < TIME ? limit : TIME))"
        elif [ "$said" != "no test was run" ]; then
            echo "mutate.sh: $1: fails without a fault: $said" >&2
            return 1
        fi
    done
}

# What make would do for this file, without all that it asks first.
plan_for() {
    make -n -W "$1" build/release/check |
        sed ':again; /\\$/{N; s/\\\n//; b again}; s/ -Werror//' |
        awk -v o="build/release/${1%.c}.o" '
            index($0, " -o " o " ") || / ar rcs / ||
            / -o build\/release\/(ipcd|ipcctl|check) /'
}

# build LINE...: 0: built, 1: it does not compile, 2: the same object
build() {
    local object=build/release/${1%.c}.o
    head -n 1 plan | bash -e > errors 2>&1 || return 1
    cmp -s "$object" good.o && return 2
    tail -n +2 plan | bash -e > errors 2>&1 || return 1
}

try_file() {
    local file=$1 offset length line by said verdict code
    declare -A count=([killed]=0 [SURVIVED]=0 [equal]=0 ['no program']=0)

    plan_for "$file" > plan
    [ -s plan ] || { echo "mutate.sh: $file is in no program" >&2; return 1; }
    cp "$file" good.c
    build "$file" || true
    cp "build/release/${file%.c}.o" good.o
    tests_of "$file" | choose_tests "$file" > tests || return 1
    while IFS=$'\t' read -r offset length line by; do
        [ -n "$offset" ] || continue
        { head -c $((offset - 1)) good.c; printf %s "$by"
          tail -c "+$((offset + length))" good.c; } > "$file"
        code=0 said=
        build "$file" || code=$?
        case $code in
        1) verdict='no program' ;;
        2) verdict=equal ;;
        *) verdict=SURVIVED
            said=$(run_tests < tests) || verdict=killed ;;
        esac
        count[$verdict]=$((count[$verdict] + 1))
        said=${said#*:} # FILE:CASE:TEST:MESSAGE
        printf '%s:%s\t%s\t%s -> %s\t%s\n' "$file" "$line" "$verdict" \
            "$(head -c $((offset + length - 1)) good.c |
                tail -c "$length" | tr -s ' \n' ' ')" "$by" "${said%%: *}"
    done < <(mutants_of good.c)
    cp good.c "$file"
    bash -e plan > errors 2>&1
    echo "$file: ${count[killed]} killed, ${count[SURVIVED]} survived," \
        "${count[equal]} equal, ${count['no program']} no program"
}

if [ -n "$print" ]; then
    for file; do mutants_of "$file"; done
    exit
fi
if [ "$(id -u)" != 0 ]; then
    echo "mutate.sh: needs root, for namespaces and the tests of two users" >&2
    exit 77
fi
if [ ! -x "$top/build/release/check" ]; then
    echo "mutate.sh: there is no build/release/check: make" >&2
    exit 69
fi
copy=$(mktemp -d /tmp/ipclab-mutate-XXXXXX)
chmod 755 "$copy"
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' HUP INT TERM
(cd "$top" && git ls-files -z | tar -c --null -T -) | tar -x -C "$copy"
mkdir "$copy/build"
cp -a "$top/build/release" "$copy/build/"
cd "$copy"
export copy
failed=0
for file; do
    try_file "$file" || failed=1
done
exit $failed
