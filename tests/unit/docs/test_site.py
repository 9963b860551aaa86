"""Generated pages of the documentation site."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SPECIFICATION = importlib.util.spec_from_file_location("docs_site", ROOT / "audit" / "docs.py")
site = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(site)


def test_every_parameter_of_the_template_is_on_the_page_once():
    stack = site.template()
    page = site.parameters(stack)

    for name in stack["Parameters"]:
        assert page.count(f"| `{name}` |") == 1, name


def test_every_alarm_leads_to_its_runbook():
    stack = site.template()
    made = [item for item in stack["Resources"].values() if item["Type"] == "AWS::CloudWatch::Alarm"]

    assert site.alarms(stack).count("../operations.md#") == len(made) > 10


def test_the_command_line_is_described_by_its_own_help():
    from slipcast_cli.main import cli

    page = site.command_line(cli)

    assert "## slipcast drop" in page
    assert "--wait" in page
    assert all(f"## slipcast {name}\n" in page for name in cli.commands)


def test_the_operations_are_those_that_the_function_answers():
    page = site.operations(site.openapi())

    assert "## POST /predictions" in page
    assert "application/problem+json" in page


def test_a_link_that_leaves_the_docs_becomes_a_name(tmp_path):
    page = site.DOCS / "data.md"

    assert site.without_links_to_the_repository("[the licence](../LICENSE)", page) == "the licence (`LICENSE`)"
    assert site.without_links_to_the_repository("[API](api.md#errors)", page) == "[API](api.md#errors)"


def test_a_link_to_a_file_that_is_not_there_is_an_error():
    with pytest.raises(SystemExit, match=r"data\.md: the link to \.\./nothing\.py leads nowhere"):
        site.without_links_to_the_repository("[x](../nothing.py)", site.DOCS / "data.md")


def test_every_command_of_make_that_a_page_names_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    pages = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *site.DOCS.rglob("*.md")]
    named = {
        (name, page.relative_to(ROOT).as_posix())
        for page in pages
        for name in re.findall(r"(?:`|^    )make ([a-z0-9-]+[a-z0-9])\b(?!-)", page.read_text(encoding="utf-8"), re.M)
    }

    assert len(named) > 20
    assert [(name, page) for name, page in sorted(named) if name not in targets] == []


def test_make_lint_has_a_recipe_for_each_of_its_parts():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    parts = makefile.partition("\nLINTS := ")[2].partition("\n")[0].split()

    assert "docs" in parts
    # Of a part without one make says nothing, and all is well.
    assert [part for part in parts if not re.search(rf"^{part}:.*\n\t@", makefile, re.M)] == []
