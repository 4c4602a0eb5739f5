#!/bin/sh
# make prove T=NAME: a claim's proof, shown and run.  NAME is what stands beside
# the claim: a fact (F04), a test (a sentence_with_underscores), or an attack's
# number (12).
#
#       prove.sh build/release NAME
set -u
cd "$(dirname "$0")/../.." || exit
programs=$1 name=${2-}

# show BEGINNING END FILE...: from the line that begins so to the next that
# ends so.
show() {
    begin=$1 end=$2
    shift 2
    file=$(grep -lE "^($begin)" "$@" | head -n 1)
    if [ -z "$file" ]; then
        echo "prove: there is no $name" >&2
        echo "make facts lists the facts; tests and attacks stand in the READMEs" >&2
        exit 64
    fi
    printf '%s:\n\n' "${file#./}"
    awk -v begin="^($begin)" -v end="^$end" \
        '$0 ~ begin {on = 1} on {print} on && $0 ~ end {exit}' "$file"
    echo
}

case $name in
'')
    echo 'prove: of what? make prove T=F04, T=the_name_of_a_test, T=12' >&2
    exit 64
    ;;
*[!A-Za-z0-9_]*)
    echo "prove: $name is no fact, test or attack" >&2
    exit 64
    ;;
[A-Z]*)
    show "FACT\($name,|FACT_IF\([a-z_]+, $name," '}' \
        ./*/facts.c harness/*/facts.c
    FACTS=show FACTS_OF=$name CK_RUN_SUITE=facts exec "$programs/check"
    ;;
*[!0-9]*)
    show "START_TEST\\($name\\)" END_TEST ./*/test_*.c harness/test/*.c
    IPCLAB_TEST=$name exec "$programs/check"
    ;;
*)
    exec "$programs/ipcattack" "$name"
    ;;
esac
