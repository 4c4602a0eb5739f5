#!/bin/sh
# rooms.sh - how much one has to open to read a variant: the files, and their
# lines, that it reaches by includes and by calls, as the compiler and nm saw
# them in a build.
#
#       NM=nm harness/rooms.sh build/release FILE.c...
#
# (make rooms) goes from the file with the variant's table to the headers it
# includes (FILE.d) and to the files that define what it uses (nm), and so on.
# Own is what lies in the variant's directory, borrowed what lies in another
# mechanism's, harness the rest, which all share.  A file is reached whole, or
# not: one function of it is enough.  The textbook forms are shown, and do not
# count in the median: each is one file by its nature.
set -eu

build=${1-}
shift || true
cd "$(dirname "$0")/.."
if [ $# = 0 ] || [ ! -e "$build/registry.c" ]; then
    echo "rooms.sh: no build in \"$build\": run \"make rooms\"" >&2
    exit 64
fi
objects=$(printf "$build/%s\n" "$@" | sed 's/c$/o/')

# "header FILE HEADER" from what -MMD wrote: the first rule of each .d.
headers() {
    for object in $objects; do
        sed -n 's/^[^ :]*: *//; s/\\$/ &/; p; /\\$/!q' "${object%o}d" |
            tr -s ' \\\n' ' ' | sed 's/$/\n/'
    done | sed ':up
        s|[^/ ]*/\.\./||; t up' |
        awk '{ for (i = 2; i <= NF; i++) print "header", $1, $i }'
}

# "defines FILE SYMBOL", "uses FILE SYMBOL".
symbols() {
    # shellcheck disable=SC2086 # no name in the tree has a blank in it
    ${NM:-nm} -A -P -g $objects | sed "s|^$build/||; s|\.o: |.c |" |
        awk '$3 == "U" { print "uses", $1, $2 }
             $3 ~ /^[TDBRCVW]$/ { print "defines", $1, $2 }'
}

{
    sed -n 's/^extern const struct ipc_mechanism \(.*\);/variant \1/p' \
        "$build/registry.c"
    symbols
    headers
} | awk '
function directory(file) { return substr(file, 1, index(file, "/") - 1) }

function lines(file,    n, line) {
    if (!(file in length_of)) {
        for (n = 0; (getline line < file) > 0; n++)
            ;
        close(file)
        length_of[file] = n
    }
    return length_of[file]
}

# From file, which has not been reached before.
function reach(file,    i, n, next_file) {
    reached[file] = 1
    n = split(leads_to[file], next_file, " ")
    for (i = 1; i <= n; i++)
        if (!(next_file[i] in reached))
            reach(next_file[i])
}

function name_of(symbol) {
    sub(/_/, "/", symbol)
    gsub(/_/, "-", symbol)
    return symbol
}

function report(symbol,    file, own, kind, from, d) {
    own = directory(defined_in[symbol])
    split("", reached)
    split("", files)
    split("", all_lines)
    split("", others)
    reach(defined_in[symbol])
    for (file in reached) {
        d = directory(file)
        kind = d == own ? "own" : d == "harness" ? "harness" : "borrowed"
        files[kind]++
        all_lines[kind] += lines(file)
        if (kind == "borrowed")
            others[d]
    }
    for (d in others)
        from = from " " d "/"
    printf "%-20s %5d %6d %6d %6d %6d %6d %s\n", name_of(symbol),
           files["own"], all_lines["own"], files["borrowed"],
           all_lines["borrowed"], files["harness"], all_lines["harness"], from
    remember(symbol, files["own"], files["own"] + files["borrowed"],
             all_lines["own"])
}

function remember(symbol, own, together, own_lines,    i) {
    if (together > most) {
        most = together
        most_name = name_of(symbol)
    }
    if (symbol == "fifo_perclient")
        fifo = own
    if (symbol ~ /_textbook$/)
        return
    for (i = ++count; i > 1 && sorted[i - 1] > own_lines; i--)
        sorted[i] = sorted[i - 1]
    sorted[i] = own_lines
}

function target(what, is, most_allowed, who) {
    printf "%-50s %4d of %3d  %s%s\n", what, is, most_allowed,
           is <= most_allowed ? "kept" : "not kept", who
}

$1 == "variant" { variants[++variant_count] = $2 }
$1 == "defines" { defined_in[$3] = $2 }
$1 == "uses" { used[++use_count] = $2 " " $3 }
$1 == "header" {
    leads_to[$2] = leads_to[$2] " " $3
    from_dir = directory($2)
    to_dir = directory($3)
    if (from_dir != to_dir && to_dir != "harness")
        crossing[++crossing_count] = $2 " includes " $3
}

END {
    for (i = 1; i <= use_count; i++) {
        split(used[i], pair, " ")
        if (pair[2] in defined_in)
            leads_to[pair[1]] = leads_to[pair[1]] " " defined_in[pair[2]]
    }
    printf "%-20s %12s %13s %13s\n%-20s", "", "own", "borrowed", "harness", ""
    for (i = 0; i < 3; i++)
        printf " %5s %6s%s", "files", "lines", i < 2 ? " " : "\n"
    for (i = 1; i <= variant_count; i++)
        if (!(variants[i] in defined_in)) {
            print "rooms.sh: nm does not see " variants[i] > "/dev/stderr"
            exit 1
        } else if (directory(defined_in[variants[i]]) != "harness")
            report(variants[i])
    print ""
    target("files of a variant, own and borrowed, at most", most, 12,
           ": " most_name)
    target("files of fifo/perclient, own", fifo, 4, "")
    target("lines of a variant, own, median (no textbooks)",
           (sorted[int((count + 1) / 2)] + sorted[int(count / 2) + 1]) / 2,
           600, "")
    target("headers of another mechanism that a file includes",
           crossing_count, 0, "")
    for (i = 1; i <= crossing_count; i++)
        print "  " crossing[i]
}'
