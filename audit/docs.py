"""Build the documentation site: the pages of docs/ and reference pages generated from what they describe.

    python audit/docs.py SITE [--zensical PROGRAM]

copies docs/ next to SITE, writes ``reference/*.md`` from template.yaml, the command line, the OpenAPI document and the
packages under src/, checks links that leave docs/, and runs Zensical in strict mode, which fails on any other broken
link.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PACKAGES = ("slipcast", "slipcast_aws", "slipcast_host")
LINK = re.compile(r"\[([^\]\n]+)\]\((\.\.?/[^)\s#]+|[\w-]+\.[a-z]+)(#[^)]*)?\)")


def template() -> dict[str, Any]:
    """Return template.yaml."""
    return yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))


def parameters(stack: dict[str, Any]) -> str:
    """Return the page of the template's parameters, by group."""
    groups = stack["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    lines = ["# Parameters", "", "Set in `samconfig.toml` under `parameter_overrides`, or asked by `make deploy`.", ""]
    for group in groups:
        lines += [
            f"## {group['Label']['default']}",
            "",
            "| parameter | default | allowed | meaning |",
            "|---|---|---|---|",
        ]
        for name in group["Parameters"]:
            item = stack["Parameters"][name]
            default = f"`{item['Default']}`" if str(item.get("Default", "")) else "empty"
            lines.append(f"| `{name}` | {default} | {allowed(item)} | {cell(item['Description'])} |")
        lines.append("")
    return "\n".join(lines)


def allowed(item: dict[str, Any]) -> str:
    """Return the values that a parameter may have."""
    if "AllowedValues" in item:
        return ", ".join(f"`{value}`" for value in item["AllowedValues"])
    least, most = item.get("MinValue"), item.get("MaxValue")
    if least is not None and most is not None:
        return f"{least} to {most}"
    if least is not None:
        return f"from {least}"
    return "a number" if item["Type"] == "Number" else "text"


def alarms(stack: dict[str, Any]) -> str:
    """Return the page of the alarms: metric, condition, meaning."""
    lines = ["# Alarms", "", "| alarm | metric | goes off when | meaning |", "|---|---|---|---|"]
    signs = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": "≥", "LessThanThreshold": "<"}
    for resource in stack["Resources"].values():
        if resource["Type"] != "AWS::CloudWatch::Alarm":
            continue
        item = resource["Properties"]
        name = item["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
        statistic = item.get("Statistic") or item.get("ExtendedStatistic", "")
        sign = signs.get(item["ComparisonOperator"], item["ComparisonOperator"])
        meaning = re.sub(r"\s*docs/operations\.md#\S+$", "", item["AlarmDescription"].strip())
        metric, when = f"`{item['Namespace']}` `{item['MetricName']}`", f"{statistic} {sign} {item['Threshold']}"
        lines.append(f"| [{name}](../operations.md#{name}) | {metric} | {when} | {cell(meaning)} |")
    return "\n".join([*lines, ""])


def command_line(command: click.Command) -> str:
    """Return the page of the command ``slipcast``: the help of each command."""
    lines = ["# Command line", ""]
    for name, item in commands(command, "slipcast"):
        with click.Context(item, info_name=name, terminal_width=96, max_content_width=96) as context:
            lines += [f"## {name}", "", "```text", item.get_help(context).rstrip(), "```", ""]
    return "\n".join(lines)


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and those below it with their full names."""
    yield name, command
    for child, item in sorted(getattr(command, "commands", {}).items()):
        yield from commands(item, f"{name} {child}")


def operations(document: dict[str, Any]) -> str:
    """Return the page of the API's operations from its OpenAPI document."""
    lines = [f"# API operations, version {document['info']['version']}", ""]
    lines += ["The document itself is answered by `GET /openapi.json`. Examples and rules: [The API](../api.md).", ""]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += [
                f"## {method.upper()} {path}",
                "",
                operation.get("description") or operation.get("summary", ""),
                "",
            ]
            bodies = operation.get("requestBody", {}).get("content", {})
            if bodies:
                lines += [f"Request: {', '.join(f'`{kind}`' for kind in bodies)}", ""]
            lines += ["| status | meaning | media types |", "|---|---|---|"]
            for status, answer in sorted(operation["responses"].items()):
                kinds = ", ".join(f"`{kind}`" for kind in answer.get("content", {}))
                lines.append(f"| {status} | {cell(answer.get('description', ''))} | {kinds} |")
            lines.append("")
    return "\n".join(lines)


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document as the predict function answers it."""
    event = json.loads((ROOT / "events" / "api_get_model.json").read_text(encoding="utf-8"))
    event |= {"path": "/openapi.json", "resource": "/openapi.json"}
    event["requestContext"] |= {"path": "/v1/openapi.json", "resourcePath": "/openapi.json"}
    code = (
        "import json, sys\n"
        "from predict import app\n"
        "class Context:\n"
        "    function_name = function_version = aws_request_id = invoked_function_arn = 'docs'\n"
        "    memory_limit_in_mb = 1024\n"
        "    def get_remaining_time_in_millis(self): return 29000\n"
        "answer = app.handler(json.load(sys.stdin), Context())\n"
        "print(answer['body'])\n"
    )
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "PYTHONPATH": str(ROOT / "functions"),
        "AWS_DEFAULT_REGION": "us-east-1",
        "POWERTOOLS_SERVICE_NAME": "slipcast",
        "POWERTOOLS_METRICS_NAMESPACE": "Slipcast",
        "MODEL_PATH": "/nonexistent",
        "MODEL_SHA256": "",
    }
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], input=json.dumps(event), env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"error: the predict function gave no OpenAPI document:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def python_pages(target: Path) -> list[str]:
    """Write a page for each folder of the packages, which mkdocstrings fills in, and return their names."""
    names = []
    for package in PACKAGES:
        for folder in sorted({path.parent for path in (ROOT / "src" / package).rglob("*.py")}):
            modules = sorted(path for path in folder.glob("*.py") if not path.stem.startswith("_"))
            if not modules:
                continue
            dotted = ".".join(folder.relative_to(ROOT / "src").parts)
            body = "\n\n".join(f"::: {dotted}.{path.stem}" for path in modules)
            (target / f"{dotted}.md").write_text(f"# {dotted}\n\n{body}\n", encoding="utf-8")
            names.append(f"{dotted}.md")
    return names


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def without_links_to_the_repository(text: str, page: Path) -> str:
    """Replace links to files outside docs/ by their names: the site does not hold them.

    Raises
    ------
    SystemExit
        If such a file does not exist.
    """

    def replace(found: re.Match[str]) -> str:
        label, target = found[1], found[2]
        path = (page.parent / target).resolve()
        if path.is_relative_to(DOCS):
            return found[0]
        if not path.exists():
            raise SystemExit(f"error: {page.relative_to(ROOT)}: the link to {target} leads nowhere")
        name = path.relative_to(ROOT).as_posix()
        return f"`{name}`" if label.strip("`") in (name, path.name, target) else f"{label} (`{name}`)"

    return LINK.sub(replace, text)


def build(site: Path, zensical: str) -> int:
    """Write the sources and build the site; return the exit code of Zensical."""
    from slipcast_cli.main import cli

    work = site.parent / "docs-source"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(DOCS, work / "docs", ignore=shutil.ignore_patterns("*.toml"))
    for page in sorted((work / "docs").rglob("*.md")):
        original = DOCS / page.relative_to(work / "docs")
        page.write_text(without_links_to_the_repository(page.read_text(encoding="utf-8"), original), encoding="utf-8")
    reference, stack = work / "docs" / "reference", template()
    (reference / "python").mkdir(parents=True)
    (reference / "parameters.md").write_text(parameters(stack), encoding="utf-8")
    (reference / "alarms.md").write_text(alarms(stack), encoding="utf-8")
    (reference / "cli.md").write_text(command_line(cli), encoding="utf-8")
    (reference / "operations.md").write_text(operations(openapi()), encoding="utf-8")
    pages = python_pages(reference / "python")
    config = (DOCS / "zensical.toml").read_text(encoding="utf-8")
    listed = ", ".join(f'"reference/python/{name}"' for name in pages)
    config = config.replace('"reference/python"', listed).replace("@SRC@", str(ROOT / "src"))
    (work / "zensical.toml").write_text(config, encoding="utf-8")
    code = subprocess.run([zensical, "build", "--clean", "--strict"], cwd=work, check=False).returncode  # noqa: S603
    if code == 0:
        shutil.rmtree(site, ignore_errors=True)
        (work / "site").rename(site)
    return code


def main() -> int:
    """Build the site and return the exit code."""
    parser = argparse.ArgumentParser(prog="python audit/docs.py", description=__doc__)
    parser.add_argument("site", type=Path, help="folder to write")
    parser.add_argument("--zensical", default="zensical", help="program")
    options = parser.parse_args()
    options.site.parent.mkdir(parents=True, exist_ok=True)
    return build(options.site.resolve(), str(Path(options.zensical).resolve()))


if __name__ == "__main__":
    sys.exit(main())
