#!/bin/sh
# What this project needs of the machine, and what each distribution calls it.
#
#   deps.sh need      asked by make before it compiles: silent, or one line
#   deps.sh install   make deps: installs what is missing, and only then wants
#                     to be root; FOR=lint adds what `make lint` uses
#
# POSIX sh and nothing else: it runs on a machine that has nothing yet.
set -u

compiler=${CC:-gcc}
compiler=${compiler%% *}
case $compiler in
*clang*) family=clang ;;
*) family=gcc ;;
esac

for manager in apt-get dnf pacman zypper apk none; do
    command -v $manager >/dev/null && break
done

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
#when probe                apt               dnf                      pacman     zypper             apk                    name
build command:$compiler    $family           $family                  $family    $family            $family                $compiler
build command:ar           binutils          binutils                 binutils   binutils           binutils               ar
build header:stdio.h       libc6-dev         glibc-devel              glibc      glibc-devel        musl-dev,linux-headers the C library's headers
build header:argp.h        -                 -                        -          -                  argp-standalone        argp (command lines)
build command:pkg-config   pkg-config        pkgconf-pkg-config       pkgconf    pkgconf-pkg-config pkgconf                pkg-config
build library:check        check             check-devel              check      check-devel        check-dev              Check (unit tests)
build library:jansson      libjansson-dev    jansson-devel            jansson    libjansson-devel   jansson-dev            jansson (JSON)
build library:libcap       libcap-dev        libcap-devel             libcap     libcap-devel       libcap-dev             libcap (capabilities)
build library:libseccomp   libseccomp-dev    libseccomp-devel         libseccomp libseccomp-devel   libseccomp-dev         libseccomp (system call filters)
run   sanitizers:          -                 libasan,libubsan,libtsan -          -                  -                      sanitizers (V=asan, V=tsan)
run   command:gnuplot      gnuplot-nox       gnuplot-minimal          gnuplot    gnuplot            gnuplot                gnuplot (charts)
run   command:ip           iproute2          iproute                  iproute2   iproute2           iproute2               ip (two hosts)
run   font:                fonts-dejavu-core dejavu-sans-fonts        ttf-dejavu dejavu-fonts       font-dejavu            a font (charts)
run   command:strace       strace            strace                   strace     strace             strace                 strace
lint  command:clang        clang             clang                    clang      clang              clang                  clang
lint  command:clang-format clang-format      clang-tools-extra        clang      clang-tools        clang-extra-tools      clang-format
lint  command:clang-tidy   clang-tidy        clang-tools-extra        clang      clang-tools        clang-extra-tools      clang-tidy
lint  command:cppcheck     cppcheck          cppcheck                 cppcheck   cppcheck           cppcheck               cppcheck
lint  command:shellcheck   shellcheck        ShellCheck               shellcheck ShellCheck         shellcheck             shellcheck
TABLE
}

is_here() {
    case $1 in
    command) command -v "$2" >/dev/null ;;
    header)
        [ -e "/usr/include/$2" ] ||
            echo "#include <$2>" | ${CC:-gcc} -E - >/dev/null 2>&1
        ;;
    library) pkg-config --exists "$2" 2>/dev/null ;;
    sanitizers) links -fsanitize=address,undefined && links -fsanitize=thread ;;
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
        ${CC:-gcc} "$1" -x c - -o "$program" 2>/dev/null
    set -- $?
    rm -f "$program"
    return "$1"
}

need() {
    find_missing build
    [ -z "$names" ] && return
    echo "make: missing: $names; run \"make deps\" to install what is needed" >&2
    return 1
}

install() {
    # shellcheck disable=SC2086 # FOR may name several
    find_missing build run ${FOR-}
    [ -z "$names" ] && return
    case $manager in
    apt-get) # the index of a fresh image is empty: an update comes first
        act='apt-get -q update; DEBIAN_FRONTEND=noninteractive apt-get -q'
        act="$act install -y --no-install-recommends"
        ;;
    dnf) act='dnf install -y --setopt=install_weak_deps=False' ;;
    pacman) # Arch advises against -y alone: only where there is no index yet
        [ -e /var/lib/pacman/sync/core.db ] && refresh='' || refresh=y
        act="pacman -S$refresh --needed --noconfirm"
        ;;
    zypper) act='zypper --non-interactive install --no-recommends' ;;
    apk) act='apk add --update-cache' ;;
    none)
        echo "make deps: missing: $names; no apt-get, dnf, pacman, zypper or" \
            "apk here: install them your own way, then run make again" >&2
        return 1
        ;;
    esac
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root=sudo
    else
        echo "make deps: missing: $names; run this as root: $act $packages" >&2
        return 1
    fi

    echo "make deps: installing $names: $packages"
    $as_root sh -c "$act $packages"

    # shellcheck disable=SC2086
    find_missing build run ${FOR-}
    [ -z "$names" ] && return
    echo "make deps: still missing: $names (tried: $act $packages)" >&2
    return 1
}

case ${1-} in
need | install) "$1" ;;
*)
    echo 'usage: harness/deps.sh need | install   (FOR=lint: linters too)' >&2
    exit 64
    ;;
esac
