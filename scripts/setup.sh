#!/bin/sh
# Make the virtual environment with the versions of constraints.txt.
# usage: [PYTHON=python3.12] setup.sh DIRECTORY
set -eu
venv=$1
log="$venv/install.log"

say() { printf 'nhot: %s\n' "$*" >&2; }
works() { "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; }

python=""
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if works "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    found=$("${PYTHON:-python3}" --version 2>/dev/null || echo "not found")
    say "missing: Python 3.11 or newer (${PYTHON:-python3}: $found); install one, or name one:" \
        "make PYTHON=/path/to/python3"
    exit 3
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    say "missing: the venv module of $python; on Debian or Ubuntu run: sudo apt-get install python3-venv"
    exit 3
fi
sh "$(dirname "$0")/machine.sh"

if [ ! -x "$venv/bin/python" ] || ! works "$venv/bin/python"; then
    say "making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

# What builds comes first: the project, and cocotbext-wishbone, which has no wheel, are then built with
# the pinned ones, not with the newest.
say "installing the pinned packages into $venv (a minute or two; log in $log)"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@" >>"$log" 2>&1; }
: >"$log"
if ! { pip install -c constraints.txt hatchling setuptools setuptools_scm &&
       pip install -c constraints.txt --no-build-isolation -e '.[all]'; }; then
    tail -n 20 "$log" >&2
    say "pip could not install the packages (above; all of it in $log)"
    exit 3
fi
# Python reads these paths in the machine's encoding, in which pip's absolute ones may not be spelled.
for site in "$venv"/lib/python3*/site-packages; do
    root=$(realpath --relative-to="$site" .)
    printf '%s\n' "$root/sw" "$root/hw" "$root/sim" >"$site/_nhot.pth"
done
say "$venv is ready"
