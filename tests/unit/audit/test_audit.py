"""What is said of the locked packages: a vulnerability fails, and what could not be looked up is said."""

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[3] / "audit"
ONE = {"name": "one", "version": "1.0", "vulns": []}
FLAW = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"]}
UNKNOWN = {"name": "one", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def advisories():
    specification = importlib.util.spec_from_file_location("advisories", AUDIT / "advisories.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def audit(advisories, monkeypatch, capsys):
    """Run the audit of two packages with what pip-audit answers."""

    def run(*answers: dict | str, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
        left = list(answers)

        def pip_audit(command, **_):
            answer = left.pop(0)
            out = answer if isinstance(answer, str) else json.dumps({"dependencies": answer})
            return subprocess.CompletedProcess(command, 0, out, "Connection refused")

        monkeypatch.setattr(advisories.subprocess, "run", pip_audit)
        monkeypatch.setattr(sys, "argv", ["advisories.py", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO("one==1.0 \\\n    --hash=sha256:0\ntwo==2.0 ; sys_platform\n"))
        code = advisories.main()
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_packages_without_a_flaw_are_fine(audit):
    assert audit([ONE], [ONE, {**ONE, "name": "two"}]) == (0, "2 packages audited, 0 vulnerabilities\n")


def test_a_vulnerable_package_fails_and_is_named(audit):
    code, said = audit([ONE], [{**ONE, "vulns": [FLAW]}, {**ONE, "name": "two"}])

    assert code == 1
    assert "one 1.0: PYSEC-1 CVE-1, fixed in 1.1" in said


@pytest.mark.parametrize("answer", [[UNKNOWN], ""], ids=["an index without advisories", "no network"])
def test_what_could_not_be_looked_up_is_said_and_may_be_an_error(audit, answer):
    code, said = audit(answer)

    assert code == 0
    assert said.startswith("NOT AUDITED  2 of 2 packages: ")
    assert audit(answer, arguments=("--required",))[0] == 1


def test_a_package_that_was_left_out_is_counted(audit):
    code, said = audit([ONE], [ONE, {**UNKNOWN, "name": "two"}])

    assert (code, said.startswith("NOT AUDITED  1 of 2")) == (0, True)
