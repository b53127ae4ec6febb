#!/usr/bin/env bash
# Make .venv hold exactly what a lock file says: scripts/venv.sh requirements.txt
# The second run for the same lock is instant: a stamp in .venv is named after the lock's hash.
set -euo pipefail
cd "$(dirname "$0")/.."
lock=$1
venv=${VENV:-.venv}

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "error: no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3 TARGET" >&2
    return 1
}

hash=$(sha256sum "$lock" | cut -d' ' -f1)
stamp=$venv/installed-$(basename "$lock" .txt)-$hash
if [ -e "$stamp" ]; then
    exit 0
fi
if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python)
    echo "creating $venv with $python"
    "$python" -m venv "$venv"
fi
echo "installing what $lock names and $venv lacks (the first time takes a few minutes)"
"$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$lock"
rm -f "$venv/installed-$(basename "$lock" .txt)-"*
touch "$stamp"
