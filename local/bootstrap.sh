#!/usr/bin/env bash
# Makes .venv with the interpreter and the exact packages of uv.lock. Run by every make target; quick when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '  %s\n' "$*"; }

stamp=.venv/.slipcast-lock
wanted=$(cat uv.lock pyproject.toml | cksum)
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
echo "Setting up .venv (once for each version of uv.lock)"

find_uv() {
  command -v uv 2>/dev/null && return
  for candidate in .local/tools/bin/uv "$HOME/.local/bin/uv"; do
    if [ -x "$candidate" ]; then echo "$candidate"; return; fi
  done
}

uv=$(find_uv || true)
if [ -z "$uv" ]; then
  say "installing uv from PyPI into .local/tools"
  mkdir -p .local
  # Some distributions ship Python without venv or without pip; one of the two is enough.
  if python3 -m venv .local/tools >/dev/null 2>&1 && .local/tools/bin/python -m pip install --quiet uv; then
    uv=.local/tools/bin/uv
  elif python3 -m pip install --quiet --target .local/tools uv; then
    uv=.local/tools/bin/uv
  else
    echo "error: uv could not be installed: install it (https://docs.astral.sh/uv/) and run make again" >&2
    exit 1
  fi
fi

python=""
for candidate in "$(command -v python3.13 || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python3.13; do
  # pyenv's shims exist for versions that are not selected and fail when they are run.
  if [ -n "$candidate" ] && [ -x "$candidate" ] && "$candidate" -c '' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -n "$python" ]; then
  # The interpreter itself, not a virtual environment made from it.
  python=$("$python" -c 'import sys; print(f"{sys.base_prefix}/bin/python3.13")')
  say "Python 3.13: $python"
else
  say "Python 3.13 is not installed: uv downloads one"
  python=3.13
fi

say "installing the locked packages"
if ! "$uv" sync --quiet --locked --all-groups --python "$python"; then
  echo "error: the locked packages could not be installed (see above): is PyPI in reach?" >&2
  exit 1
fi
# sam build makes layers with uv: it must find it beside the interpreter.
ln -sf "$(cd "$(dirname "$uv")" && pwd)/uv" .venv/bin/uv
printf '%s\n' "$wanted" > "$stamp"
say ".venv is ready"
