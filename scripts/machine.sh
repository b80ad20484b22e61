#!/bin/sh
# Check that this machine has the programs that no Python package brings.
# usage: machine.sh [iverilog] [fst] [chromium]    name what the caller cannot do without;
#     fst: what traces in that format are compiled with; chromium: that browser or one of its kind
#
# What is missing is installed with apt-get where that needs no password; otherwise the command
# to run is printed. A missing compiler stops here; Icarus Verilog only where it was asked for.
set -eu
wanted=" $* "

say() { printf 'nhot: %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }
browses() { has chromium || has chromium-browser || has google-chrome || has chrome-headless-shell; }
compiles_fst() {
    printf '#include <lz4.h>\n#include <zlib.h>\n' | g++ -E -x c++ - >/dev/null 2>&1
}
absent() {
    list=""
    for program in g++ make perl iverilog; do
        has "$program" || list="$list $program"
    done
    case "$wanted" in *" chromium "*) browses || list="$list chromium" ;; esac
    case "$wanted" in *" fst "*) compiles_fst || list="$list liblz4-dev zlib1g-dev" ;; esac
    echo "${list# }"
}

missing=$(absent)
[ -n "$missing" ] || exit 0

# The programs and their Debian packages have the same names.
apt() {
    if [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get -q "$@"
    else
        sudo -n DEBIAN_FRONTEND=noninteractive apt-get -q "$@"
    fi
}
if has apt-get && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    say "installing with apt-get: $missing"
    apt update >/dev/null 2>&1 || say "apt-get update failed"
    for package in $missing; do  # one by one: a system that lacks one still gets the others
        output=$(apt install -y --no-install-recommends "$package" 2>&1) || {
            printf '%s\n' "$output" | tail -n 5 >&2
            say "apt-get could not install $package (above)"
        }
    done
    missing=$(absent)
    [ -n "$missing" ] || exit 0
fi

if has apt-get; then
    how="run: sudo apt-get update && sudo apt-get install $missing"
elif has brew; then
    how="run: brew install $(echo "$missing" | sed 's/iverilog/icarus-verilog/; s/g++/gcc/; s/liblz4-dev/lz4/; s/zlib1g-dev/zlib/')"
else
    how="install with this system's package manager"
fi
case "$wanted:$missing" in
    *" iverilog "*:*iverilog* | *:*lz4* | *:*chromium* | *:*g++* | *:*make* | *:*perl*) say "missing: $missing; $how"; exit 3 ;;
    *) say "note: iverilog is missing, which only the tests need; $how" ;;
esac
