#!/bin/sh
# Installs R and the packages that the tests use, where they are missing: from Debian's packages, or says what is to be installed.
set -eu

packages="bit64 data.table tibble"

has_all() {
    command -v Rscript > /dev/null 2>&1 || return 1
    for package in $packages; do
        Rscript --vanilla -e "quit(status = !nzchar(system.file(package = '$package')))" > /dev/null 2>&1 || return 1
    done
}

if has_all; then
    exit 0
fi
if ! command -v apt-get > /dev/null 2>&1; then
    echo "the tests need R with $packages: install it from r-project.org (macOS: brew install r), then in R" >&2
    echo "    install.packages(c(\"bit64\", \"data.table\", \"tibble\"))" >&2
    exit 1
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -q update
$as_root apt-get -q -y install --no-install-recommends r-base-core r-cran-bit64 r-cran-data.table r-cran-tibble
has_all
