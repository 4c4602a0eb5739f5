#!/bin/sh
# adding.sh - "No other file changes" (README.md, "Add a mechanism"): does so in a
# copy of the tree, and what there is of tests must be green there.
#
#       harness/test/adding.sh release /tmp/adding          the new mechanisms
#       harness/test/adding.sh release /tmp/adding all      every test there is
#
#       carrier/pigeon.c      harness/skeleton.c, with another name
#       carrier/dove.c        shm/reclock.c, with another name
#       carrier/test_carrier.c, carrier/module.mk
#
# The skeleton cannot run, and says so.  The dove can, and needs what a daemon can
# need: its clients make objects, the broker opens them and looks into /proc, it
# falls silent in a user namespace.  Whatever has a list of variants in which it
# should have been entered fails.
#
# The first argument is a directory of build/, built before; it is copied with
# its times, so make compiles three files and links.  The second is made, and
# stays.
set -eu

build=$1 new=$2 all=${3:-}
cd "$(dirname "$0")/../.."
mkdir -p "$new/build"
for name in *; do
    case $name in build | results) ;; *) cp -a "$name" "$new" ;; esac
done
cp -a "build/$build" "$new/build"
cd "$new"

mkdir carrier
sed 's|skeleton/none|carrier/pigeon|; s/skeleton/carrier_pigeon/g' \
    harness/skeleton.c > carrier/pigeon.c
sed 's|shm/reclock|carrier/dove|g; s|shm-reclock|carrier-dove|g
    s/shm_reclock/carrier_dove/g' shm/reclock.c > carrier/dove.c
cat > carrier/test_carrier.c << 'END'
#include "test/test.h"

Suite *test_carrier(void);

START_TEST(there_are_birds)
{
    ck_assert_ptr_nonnull(ipc_find("carrier/dove"));
    ck_assert_ptr_nonnull(ipc_find("carrier/pigeon"));
}
END_TEST

Suite *
test_carrier(void)
{
    Suite *s = suite_create("carrier");

    tcase_add_test(test_case(s, "carrier"), there_are_birds);
    return s;
}
END
cat > carrier/module.mk << 'END'
MECHANISMS += carrier_pigeon carrier_dove
SRC        += carrier/pigeon.c carrier/dove.c
TESTS      += carrier/test_carrier.c
END

# What is compiled is not compiled again (-o how); the rest is as that was: the
# words are in that file, from the compiler on.  Those for linking come again.
how=$(sed 's/ -pie / /; s/ -Wl,[^ ]*//g' "build/$build/how")
case $build in asan* | tsan* | cov*) V=${build%%-*} ;; *) V=release ;; esac
make -j2 V="$V" O="build/$build" CC="$how" -o "build/$build/how"

[ -n "$all" ] && exec "build/$build/check"
for what in CASE=carrier/dove CASE=carrier/pigeon CASE=carrier \
    SUITE=registry SUITE=wire SUITE=bench; do
    echo "CK_RUN_$what:"
    env "CK_RUN_$what" "build/$build/check"
done
"build/$build/ipcbench" isolate -m carrier --out "$new/isolated"
