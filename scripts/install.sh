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

if [ -n "$uv" ] && "$uv" pip install --python "$venv/bin/python" --compile-bytecode --editable '.[pipeline,dev]' --constraint constraints.txt; then
    exit
fi
echo "uv could not install; trying pip" >&2
"$venv/bin/python" -m pip install --editable '.[pipeline,dev]' --constraint constraints.txt
