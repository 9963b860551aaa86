#!/usr/bin/env bash
# Makes .venv with the interpreter and the exact packages of uv.lock. Run by every make target; quick when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '  %s\n' "$*"; }

stamp=.venv/.slipcast-lock
wanted=$(cat uv.lock pyproject.toml | cksum)
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
echo "Setting up .venv (once for each version of uv.lock)"

# make puts .venv/bin in front: what is found there is what this script is about to make.
PATH=${PATH//"$PWD/.venv/bin:"/}
# Another project's environment may be active in this shell.
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH

# A pyenv shim exists for programs of versions that are not selected, too, and fails when it is run.
find_uv() {
  local candidate
  for candidate in "$(command -v uv || true)" .local/tools/bin/uv "$HOME/.local/bin/uv"; do
    if [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then echo "$candidate"; return; fi
  done
  return 1
}

# Some distributions ship Python without venv, without pip or without both.
install_uv() {
  python3 -m venv --clear .local/tools && .local/tools/bin/python -m pip install --quiet uv && return
  python3 -m pip install --quiet --upgrade --target .local/tools uv && return
  say "this Python has no pip: fetching pip itself from PyPI"
  python3 local/get_pip.py .local/tools/pip.whl &&
    python3 .local/tools/pip.whl/pip install --quiet --upgrade --target .local/tools uv
}

if ! uv=$(find_uv); then
  say "installing uv from PyPI into .local/tools"
  mkdir -p .local/tools
  if ! install_uv 2>.local/tools.log || ! uv=$(find_uv); then
    sed 's/^/    /' .local/tools.log >&2
    echo "error: uv could not be installed (see above): install it (https://docs.astral.sh/uv/) and run make again" >&2
    exit 1
  fi
fi
uv=$(cd "$(dirname "$uv")" && pwd)/uv

python=3.13
for candidate in "$(command -v python3.13 || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python3.13; do
  if [ -n "$candidate" ] && "$candidate" -c 'import ssl, sqlite3, zlib' 2>/dev/null; then
    # The interpreter itself, not a virtual environment made from it.
    python=$("$candidate" -c 'import sys; print(f"{sys.base_prefix}/bin/python3.13")')
    break
  fi
done
if [ "$python" = 3.13 ]; then say "Python 3.13 is not installed: uv downloads one"; else say "Python 3.13: $python"; fi

say "installing the locked packages with $("$uv" --version)"
if ! "$uv" sync --quiet --locked --all-groups --python "$python"; then
  echo "error: the locked packages could not be installed (see above): is PyPI in reach?" >&2
  exit 1
fi
# sam build makes layers with uv: it must find it beside the interpreter.
ln -sf "$uv" .venv/bin/uv
printf '%s\n' "$wanted" > "$stamp"
say ".venv is ready"
