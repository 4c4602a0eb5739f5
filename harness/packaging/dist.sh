#!/bin/sh
# dist.sh: build/ipclab-VERSION.tar.gz of what is committed.  The same commit
# gives the same bytes: git archive takes the time of the commit, gzip -n none.
set -eu
cd "$(dirname "$0")/../.."
if ! git rev-parse --verify -q HEAD >/dev/null 2>&1; then
    echo "make dist: only in a git checkout: this is a copy without its history" >&2
    exit 1
fi
name=ipclab-$VERSION
[ -z "$(git status --porcelain)" ] ||
    echo "make dist: what is not committed is not in it (git status)" >&2
mkdir -p build
git archive --format=tar --prefix="$name/" HEAD | gzip -n9 >"build/$name.tar.gz.new"
mv "build/$name.tar.gz.new" "build/$name.tar.gz"
echo "  build/$name.tar.gz"
