#!/bin/sh
# What this project needs of the machine, and what each distribution calls it.
#
#   deps.sh need [check]   asked by make before it compiles (before it compiles
#                          tests): silent, or says what is missing or too old
#   deps.sh need plain     asked by make hello, which needs only a compiler
#   deps.sh install        make deps: installs what is missing, and only then
#                          wants to be root; FOR=lint adds what `make lint` and
#                          `make CC=clang V=asan` use, FOR=deb what `make deb`
#
# CC, AR, PKG_CONFIG and V are make's.  POSIX sh and nothing else: it runs on a
# machine that has nothing yet.
set -u

CC=${CC:-gcc} AR=${AR:-ar} PKG_CONFIG=${PKG_CONFIG:-pkg-config} V=${V:-release}

# The oldest that have what we call: <linux/ioprio.h>, and a <sys/mount.h> that
# agrees with <linux/mount.h>.
glibc_wanted=2.36
linux_wanted=5.15

for manager in apt-get dnf pacman zypper apk none; do
    command -v $manager >/dev/null && break
done

# CC may be "ccache gcc -m32", "gcc-14" or "aarch64-linux-gnu-gcc"; the last two
# are Debian's names.  "sh" stands for: no launcher.  The sanitizers are in a
# package of their own for clang, and for gcc on Fedora.
launcher=sh triplet='' runtime=- compiler_rt=- fedora_rt=libasan,libubsan,libtsan
for compiler in $CC; do
    case ${compiler##*/} in
    ccache | distcc | sccache) launcher=$compiler ;;
    *) break ;;
    esac
done
package=${compiler##*/}
case $package in
"$(uname -m)"-linux-*-gcc) package=gcc ;;
*-linux-*-gcc)
    triplet=${package%-gcc}
    package=gcc-$(echo "$triplet" | tr _ -)
    ;;
cc) package=gcc ;;
clang) runtime=libclang-rt-dev compiler_rt=compiler-rt fedora_rt=compiler-rt ;;
clang-*) runtime=libclang-rt-${package#clang-}-dev ;;
esac
ar=${AR%% *} pkg_config=${PKG_CONFIG%% *} tool=${launcher##*/} gcc=$package

# What is linked with a cross compiler's objects is Debian's package:ARCH.
case $triplet in
'') of='' ;;
aarch64-*) of=:arm64 ;;
arm-*hf) of=:armhf ;;
i?86-*) of=:i386 ;;
powerpc64le-*) of=:ppc64el ;;
x86_64-*) of=:amd64 ;;
*) of=:${triplet%%-*} ;;
esac

# find_missing WHEN...: leaves the names of what is missing in $names and this
# distribution's packages for it in $packages.  In the table "-" says that the
# distribution has the thing with something else, or not at all; a comma joins
# several packages.  The C library's headers have a line of their own because
# Debian's gcc only recommends them, and we install no recommendations.
find_missing() {
    names='' packages=''
    while read -r when probe apt dnf pacman zypper apk name; do
        case " $* " in *" $when "*) ;; *) continue ;; esac
        is_here "${probe%%:*}" "${probe#*:}" && continue
        case $manager in
        apt-get) package=$apt ;;
        dnf) package=$dnf ;;
        pacman) package=$pacman ;;
        zypper) package=$zypper ;;
        apk) package=$apk ;;
        none) package='' ;;
        esac
        [ "$package" = - ] && continue
        names="$names${names:+, }$name"
        while [ -n "$package" ]; do
            case " $packages " in
            *" ${package%%,*} "*) ;;
            *) packages="$packages${packages:+ }${package%%,*}" ;;
            esac
            case $package in *,*) package=${package#*,} ;; *) package='' ;; esac
        done
    done <<TABLE
#when probe                       apt               dnf                pacman       zypper             apk                    name
build command:$launcher           $tool             $tool              $tool        $tool              $tool                  $launcher
build command:$compiler           $gcc              $gcc               $gcc         $gcc               $gcc                   $compiler
build command:$ar                 binutils          binutils           binutils     binutils           binutils               $ar
build header:stdio.h              libc6-dev$of      glibc-devel        glibc        glibc-devel        musl-dev,linux-headers the C library's headers
plain command:$compiler           $gcc              $gcc               $gcc         $gcc               $gcc                   $compiler
plain header:stdio.h              libc6-dev$of      glibc-devel        glibc        glibc-devel        musl-dev,linux-headers the C library's headers
build header:argp.h               -                 -                  -            -                  argp-standalone        argp (command lines)
build command:$pkg_config         pkg-config$of     pkgconf-pkg-config pkgconf      pkgconf-pkg-config pkgconf                $pkg_config
build library:jansson             libjansson-dev$of jansson-devel      jansson      libjansson-devel   jansson-dev            jansson (JSON)
build library:libcap              libcap-dev$of     libcap-devel       libcap       libcap-devel       libcap-dev             libcap (capabilities)
build library:libseccomp          libseccomp-dev$of libseccomp-devel   libseccomp   libseccomp-devel   libseccomp-dev         libseccomp (system call filters)
asan  sanitizer:address,undefined $runtime          $fedora_rt         $compiler_rt -                  $compiler_rt           sanitizers (V=asan)
tsan  sanitizer:thread            $runtime          $fedora_rt         $compiler_rt -                  $compiler_rt           sanitizers (V=tsan)
check library:check               check$of          check-devel        check        check-devel        check-dev              Check (unit tests)
chart command:gnuplot             gnuplot-nox       gnuplot-minimal    gnuplot      gnuplot            gnuplot                gnuplot (charts)
chart font:                       fonts-dejavu-core dejavu-sans-fonts  ttf-dejavu   dejavu-fonts       font-dejavu            a font (charts)
run   command:ip                  iproute2          iproute            iproute2     iproute2           iproute2               ip (two hosts)
run   command:strace              strace            strace             strace       strace             strace                 strace
run   command:zsh                 zsh               zsh                zsh          zsh                zsh                    zsh (its completion)
page  command:help2man            help2man          help2man           help2man     help2man           help2man               help2man (manual pages)
page  command:lowdown             lowdown           lowdown            lowdown      lowdown            lowdown                lowdown (manual pages)
deb   command:git                 git               git                git          git                git                    git
deb   command:dpkg-buildpackage   dpkg-dev,fakeroot -                  -            -                  -                      dpkg-buildpackage (make deb)
deb   command:dh                  debhelper         -                  -            -                  -                      debhelper (make deb)
deb   command:g++                 build-essential   -                  -            -                  -                      what packages are built with (make deb)
deb   command:lintian             lintian           -                  -            -                  -                      lintian (make deb)
lint  command:git                 git               git                git          git                git                    git
lint  command:clang               clang             clang              clang        clang              clang                  clang
lint  sanitizer:of-clang          libclang-rt-dev   compiler-rt        compiler-rt  -                  compiler-rt            sanitizers of clang
lint  command:clang-format        clang-format      clang-tools-extra  clang        clang-tools        clang-extra-tools      clang-format
lint  command:clang-tidy          clang-tidy        clang-tools-extra  clang        clang-tools        clang-extra-tools      clang-tidy
lint  command:cppcheck            cppcheck          cppcheck           cppcheck     cppcheck           cppcheck               cppcheck
lint  command:shellcheck          shellcheck        ShellCheck         shellcheck   ShellCheck         shellcheck             shellcheck
TABLE
}

is_here() {
    case $1 in
    command) command -v "$2" >/dev/null ;;
    header)
        if [ -z "$triplet" ] && [ -e "/usr/include/$2" ]; then return 0; fi
        echo "#include <$2>" | $CC -E - >/dev/null 2>&1
        ;;
    library) $PKG_CONFIG --exists "$2" 2>/dev/null ;;
    sanitizer)
        case $2 in
        of-clang) links clang -fsanitize=address,undefined ;;
        *) links "$CC" "-fsanitize=$2" ;;
        esac
        ;;
    font)
        find /usr/share/fonts /usr/local/share/fonts "${HOME:-/root}/.fonts" \
            "${HOME:-/root}/.local/share/fonts" -name '*.[ot]t[fc]' \
            2>/dev/null | grep -q .
        ;;
    esac
}

links() {
    program=$(mktemp) || return 1
    echo 'int main(void) { return 0; }' |
        $1 "$2" -x c - -o "$program" 2>/dev/null
    set -- $?
    rm -f "$program"
    return "$1"
}

# older A B: is version A before B?
older() {
    [ "${1%%.*}" -lt "${2%%.*}" ] ||
        { [ "${1%%.*}" -eq "${2%%.*}" ] && [ "${1#*.}" -lt "${2#*.}" ]; }
}

# Is the compiler, or what it compiles against, older than we can do with?  One
# sentence; without it each file that calls something newer would fail.
too_old() {
    versions=$($CC -std=c17 -E -P - 2>/dev/null <<'PROBE'
#include <features.h>
#include <linux/version.h>
#ifdef __GLIBC__
__GLIBC__ __GLIBC_MINOR__ LINUX_VERSION_CODE
#else
99 0 LINUX_VERSION_CODE
#endif
PROBE
    ) || versions=
    if [ -z "$versions" ]; then # either it is, or the compiler says what is wrong
        echo | $CC -std=c17 -E - >/dev/null 2>&1 && return 1
        say_old "$compiler, which does not know C17"
        return
    fi
    # shellcheck disable=SC2086 # three numbers, maybe on three lines
    set -- $versions
    say_old_libc "$1.$2" && return
    linux=$(($3 / 65536)).$(($3 / 256 % 256))
    older $linux $linux_wanted &&
        say_old "Linux's headers $linux; $linux_wanted is needed"
}

say_old_libc() {
    older "$1" $glibc_wanted && say_old "glibc $1; $glibc_wanted is needed"
}

say_old() {
    echo "make: too old to build this: $1 (Debian 12 and newer have it)" >&2
}

need() {
    find_missing "${1-build}" "$V"
    if [ -z "$names" ]; then
        [ "${1-}" = plain ] && return 0
        too_old && return 1
        return 0
    fi
    this_system_is_too_old && return 1
    echo "make: missing: $names; run \"make deps\" to install what is needed" >&2
    [ $# -gt 0 ] && return 1
    find_missing check
    [ -n "$names" ] && echo "make: and for make check: $names" >&2
    find_missing chart
    [ -n "$names" ] && echo "make: and to draw charts: $names" >&2
    find_missing plain
    [ -n "$names" ] || echo "make: make hello, demo and predict need nothing more" >&2
    return 1
}

# An old system is told so before anything is installed for nothing; there may
# be no compiler yet.
this_system_is_too_old() {
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc=
    [ -n "$libc" ] && [ -z "$triplet" ] && say_old_libc "${libc#* }"
}

install() {
    this_system_is_too_old && return 1

    # FOR may name several.  Without what is optional there are no unit tests, or
    # no charts: that is said, and the rest is made.
    required="build $V ${FOR-}" optional=check
    [ -n "$triplet" ] || optional='check asan chart page run'
    # shellcheck disable=SC2086 # words
    find_missing $required $optional
    [ -z "$names" ] && { ! too_old; return; }
    if [ -n "$triplet" ] && ! dpkg --print-foreign-architectures 2>/dev/null |
        grep -qx "${of#:}"; then
        echo "make deps: missing for $triplet: $names; on Debian first let root" \
            "run: dpkg --add-architecture ${of#:}" >&2
        return 1
    fi
    refresh=''
    case $manager in
    apt-get) # the index of a fresh image is empty: an update comes first
        refresh='apt-get -q update; '
        act='DEBIAN_FRONTEND=noninteractive apt-get -q install -y'
        act="$act --no-install-recommends"
        ;;
    dnf) act='dnf install -y --setopt=install_weak_deps=False' ;;
    pacman) # Arch advises against -y alone: only where there is no index yet
        [ -e /var/lib/pacman/sync/core.db ] || refresh='pacman -Sy; '
        act='pacman -S --needed --noconfirm'
        ;;
    zypper) act='zypper --non-interactive install --no-recommends' ;;
    apk) act='apk add --update-cache' ;;
    none)
        still_missing "no apt-get, dnf, pacman, zypper or apk here: install" \
            "them your own way, then run make again"
        return
        ;;
    esac
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root=sudo
    else
        still_missing "run this as root: $refresh$act $packages"
        return
    fi

    # A manager that does not know one of the packages installs none of them:
    # then each by itself.
    echo "make deps: installing $names: $packages"
    $as_root sh -c "$refresh$act $packages || for package in $packages; do
        $act \$package; done"
    still_missing "tried: $act $packages"
}

# still_missing REASON...: fails if we cannot do without it.
still_missing() {
    # shellcheck disable=SC2086 # words
    find_missing $required
    if [ -n "$names" ]; then
        echo "make deps: missing: $names; $*" >&2
        return 1
    fi
    # shellcheck disable=SC2086 # words
    find_missing $optional
    [ -z "$names" ] || echo "make deps: goes on without: $names; $*" >&2
    ! too_old
}

case ${1-} in
need | install) "$@" ;;
*)
    echo 'usage: harness/deps.sh need [check | plain] | install   (FOR=lint, FOR=deb: their tools too)' >&2
    exit 64
    ;;
esac
