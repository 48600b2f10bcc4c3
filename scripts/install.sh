#!/usr/bin/env bash
# install.sh FOLDER: vocabsem and its development tools in the virtual environment FOLDER, by uv, else by pip.
# PYTHON=/path/to/python3.12 chooses the interpreter.
set -euo pipefail
venv=$1

supported() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

choose_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        if supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    candidate=${PYTHON:-python3}
    echo "vocabsem needs Python 3.11, 3.12 or 3.13 with its venv module; $candidate is" \
        "$("$candidate" --version 2>/dev/null || echo 'not there'): install one of them (on Debian also" \
        "python3-venv), or give its path: make PYTHON=/path/to/python3.12" >&2
    return 1
}

# A line every few seconds instead of one a package; all that the installer printed where it fails.
quietly() {
    local log=$venv/install.log end=$'\n' shown=$SECONDS pid
    if [ -t 1 ]; then end=$'\r'; fi
    "$@" >"$log" 2>&1 &
    pid=$!
    trap "kill $pid 2>/dev/null" EXIT
    while sleep 0.2 && kill -0 "$pid" 2>/dev/null; do
        if ((SECONDS - shown >= 3)); then
            shown=$SECONDS
            printf 'installing the packages of constraints.txt, %d s …%s' "$SECONDS" "$end"
        fi
    done
    trap - EXIT
    wait "$pid" || {
        cat "$log" >&2
        return 1
    }
}

if ! { [ -x "$venv/bin/python" ] && supported "$venv/bin/python" && "$venv/bin/python" -m pip --version; } >/dev/null 2>&1; then
    python=$(choose_python)
    echo "creating $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

uv=$(command -v uv || true)
if [ -z "$uv" ] && "$venv/bin/python" -m pip install --quiet --constraint constraints.txt uv; then
    uv=$venv/bin/uv
fi

# uv does not read pip's folder of local wheels. Where there is one, it may hold the wheel of torch meant for this
# machine; elsewhere uv picks the build of torch that fits the GPU driver, or the far smaller CPU build without one.
if [ -d "${PIP_FIND_LINKS:-}" ]; then
    export UV_FIND_LINKS=${UV_FIND_LINKS:-$PIP_FIND_LINKS}
else
    export UV_TORCH_BACKEND=${UV_TORCH_BACKEND:-auto}
fi

what=(--editable '.[pipeline,dev]' --constraint constraints.txt)
if [ -n "$uv" ] && quietly "$uv" pip install --python "$venv/bin/python" --compile-bytecode "${what[@]}"; then
    exit
fi
echo "uv could not install; trying pip" >&2
quietly "$venv/bin/python" -m pip install "${what[@]}"
