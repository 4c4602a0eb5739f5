#!/bin/sh
# make ask M=socket: questions with choices, answered by running the experiment
# (questions.txt).  Answers are read from standard input, a line each; without
# any, questions and answers are shown.
#
#       ask.sh build/release [socket | manual | K12]
set -u
cd "$(dirname "$0")/../.." || exit
check=$1/check of=${2-}
file=harness/hour/questions.txt
unset CK_RUN_CASE IPCLAB_TEST # a test may run this

# Of the question number $1 among those asked for: $2 is header, asked, right, or
# n: how many there are.  The choices are turned by the number of the fact (K05: by
# 5), so that the right one does not stand where its author put it.
part() {
    awk -v RS= -v of="$of" -v n="$1" -v what="$2" '
    function show(indent, text, at) {
        while (length(text) > 78 - length(indent)) {
            for (at = 79 - length(indent); substr(text, at, 1) != " "; at--);
            print indent substr(text, 1, at - 1)
            text = substr(text, at + 1)
            gsub(/./, " ", indent)
        }
        print indent text
    }
    BEGIN { FS = "\n" }
    /^#/ { next }
    {
        split($1, word, " ")
        if (of != word[1] && of != word[2] && of != word[3]) next
        if (++k != n || what == "n") next
        if (what == "header") print $1
        number = 0
        for (i = 2; i <= NF; i++) {
            sign = substr($i, 1, 1); text = substr($i, 3)
            while (i < NF && sign != "-" && substr($(i + 1), 1, 1) == sign)
                text = text " " substr($(++i), 3)
            if (what == "asked" && sign == "?") show("  ", text)
            if (sign == "-" || sign == "+") choice[number++] = text
            if (sign == "+") right = number - 1
        }
        turn = word[2]; gsub(/[^0-9]/, "", turn)
        for (i = 0; i < number; i++) {
            at = (i + turn) % number
            if (what == "asked") show("    [" i + 1 "] ", choice[at])
            if (what == "right" && at == right) print i + 1
        }
    }
    END { if (what == "n") print k + 0 }' "$file"
}

if [ -z "$of" ] || [ "$(part 0 n)" = 0 ]; then
    [ -z "$of" ] || echo "ask: there are no questions about $of" >&2
    echo "make ask M=NAME: of which? Here are" >&2
    for of in pipe fifo msgq shm sem socket mmap signals manual; do
        echo "    M=$of: $(part 0 n) questions" >&2
    done
    exit 64
fi

all=$(part 0 n) n=0 asked=0 good=0
while [ $n -lt "$all" ]; do
    n=$((n + 1))
    header=$(part $n header)
    # shellcheck disable=SC2086 # words: directory, fact, manual, number
    set -- $header
    fact=$2
    echo
    echo "$1, question $n of $all${4:+ (question $4 of the lab manual)}"
    echo
    part $n asked
    echo
    right=$(part $n right)
    [ ! -t 0 ] || printf '  Your answer: '
    said=
    read -r said || said=
    if [ "$said" = q ]; then break; fi
    echo "  Tried, by make prove T=$fact:"
    echo
    if ! shown=$(FACTS=show FACTS_OF=$fact CK_RUN_SUITE=facts "$check" 2>&1); then
        echo "$shown"
        echo "ask: here it is not so: see $1/README.md" >&2
        exit 1
    fi
    echo "$shown" | grep -v '^100%'
    echo
    case $said in
    '') echo "  So it is $right." ;;
    "$right")
        echo "  Right: it is $right."
        good=$((good + 1)) asked=$((asked + 1))
        ;;
    *)
        echo "  You said $said, and it is $right."
        asked=$((asked + 1))
        ;;
    esac
done
[ $asked -eq 0 ] || printf '\n%d of %d right.\n' $good $asked
