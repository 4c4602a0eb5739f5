#!/bin/sh
# deb.sh: build/deb/*.deb, Debian packages of what is committed.  What describes
# them stands in harness/packaging/debian/, and is put where Debian looks for it
# in a copy.  `make deps FOR=deb` brings the tools.
set -eu
cd "$(dirname "$0")/../.."
if ! command -v dpkg-buildpackage >/dev/null || ! command -v dh >/dev/null; then
    echo "make deb: dpkg-buildpackage or dh is missing: make deps FOR=deb" \
        "(on Debian)" >&2
    exit 1
fi
harness/packaging/dist.sh
rm -rf build/deb
mkdir -p build/deb
tar -xzf "build/ipclab-$VERSION.tar.gz" -C build/deb
cd "build/deb/ipclab-$VERSION"
cp -r harness/packaging/debian debian
sed '1,4d; s/^$/./; s/^/ /' LICENSE >>debian/copyright
# "## 1.0 - 2026-11-30" and the points below it, the first release of the page.
date=$(sed -n "s/^## $VERSION - //p" CHANGELOG.md)
{
    echo "ipclab ($VERSION) unstable; urgency=medium"
    echo
    sed -n "/^## $VERSION /,/^## /{ /^- /s/^- /  * /p; /^  [^ ]/s/^/  /p; }" CHANGELOG.md
    echo
    echo " -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date -R -u -d "$date")"
} >debian/changelog
dpkg-buildpackage -us -uc -b
cd ..
rm -rf "ipclab-$VERSION"
for package in *.deb; do
    echo "  build/deb/$package"
done
