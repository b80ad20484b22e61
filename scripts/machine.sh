#!/bin/sh
# Check that this machine has the programs that no Python package brings.
# usage: machine.sh [iverilog]    name what the caller cannot do without
#
# What is missing is installed with apt-get where that needs no password; otherwise the command
# to run is printed. A missing compiler stops here; Icarus Verilog only where it was asked for.
set -eu

say() { printf 'nhot: %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

missing=""
for program in g++ make perl iverilog; do
    has "$program" || missing="$missing $program"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif has sudo && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    as_root="no"
fi

# The programs and their Debian packages have the same names.
if has apt-get && [ "$as_root" != no ]; then
    say "installing with apt-get: $missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086  # the list is meant to be split
    { $as_root apt-get -q update && $as_root apt-get -q install -y --no-install-recommends $missing
    } >&2 || say "apt-get failed (above)"
fi

stop=0
for program in $missing; do
    has "$program" && continue
    if has apt-get; then
        how="sudo apt-get update && sudo apt-get install $program"
    elif has brew; then
        how="brew install $(echo "$program" | sed 's/iverilog/icarus-verilog/; s/g++/gcc/')"
    else
        how="install it with this system's package manager"
    fi
    case "$program" in
        iverilog)
            case " $* " in
                *" iverilog "*) say "missing: iverilog (Icarus Verilog). Run: $how"; stop=1 ;;
                *) say "note: iverilog is missing; this does without, the tests need it. Run: $how" ;;
            esac ;;
        *) say "missing: $program. Run: $how"; stop=1 ;;
    esac
done
[ "$stop" = 0 ] || exit 3
