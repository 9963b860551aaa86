"""The figures of the cost tables in docs/costs.md: from one table of unit prices, each as its own arithmetic says."""

import importlib.util
import re

import pytest
import yaml

from audit.transformed import ROOT

PAGE = (ROOT / "docs" / "costs.md").read_text(encoding="utf-8")
LOADS = (0, 1_000, 100_000)


def cells(line: str) -> list[str]:
    return [cell.strip().strip("*") for cell in line.strip("|").split("|")]


def table(head: str) -> list[list[str]]:
    """Return the cells of the table of docs/costs.md whose head contains a text, without its head."""
    lines = PAGE.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|") and head in line)
    after = next((number for number in range(first, len(lines)) if not lines[number].startswith("|")), len(lines))
    return [cells(line) for line in lines[first + 2 : after]]


ROWS, OPTIONS = table("0 a day"), table("what is added")


def computed(arithmetic: str, load: int) -> float:
    """Return what the words of a row give for so many requests a day.

    Of a row with a figure for each load, with commas between, or one for none and one for any, the right one is taken.
    """
    text = re.sub(r"\([^()]*free\)|, and its requests", "", arithmetic)
    position = LOADS.index(load)
    text = re.sub(r"([\d.]+), ([\d.]+), ([\d.]+)", lambda found: found[position + 1], text)
    text = re.sub(r"([\d.]+) or ([\d.]+)", lambda found: found[2 if load else 1], text)
    if "+ 365)" in text and not load:
        # No model has answered anything: the monitor has no window to read.
        return 0
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"\b(requests|deliveries)\b", str(load * 30), text)
    text = re.sub(r"([\d.]+) KB × (\(.+?\)|[\d.]+) / GB", r"\1 × \2 / 1000000", text)
    text = text.replace(" ms", " / 1000").replace("/ million", "/ 1000000").replace("×", "*")
    text = re.sub(r"\b(composite|read units|pollers|a minute|key|s|GB)\b", "", text)
    assert re.fullmatch(r"[\d.+*/() ]+", text), text
    return eval(text)  # noqa: S307


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] != "sum"], ids=lambda row: row[0])
@pytest.mark.parametrize("load", LOADS)
def test_a_figure_is_what_its_arithmetic_gives(row, load):
    what, arithmetic, *figures = row

    # Memory in GB is rounded in the words.
    assert float(figures[LOADS.index(load)]) == pytest.approx(computed(arithmetic, load), abs=0.0051, rel=0.002), what


@pytest.mark.parametrize(("what", "arithmetic", "figure"), OPTIONS)
def test_what_an_option_adds_is_what_its_arithmetic_gives(what, arithmetic, figure):
    assert float(figure) == pytest.approx(computed(arithmetic, 0), abs=0.0051, rel=0.002)


def test_the_sums_are_sums():
    (total,) = [row for row in ROWS if row[0] == "sum"]
    for position, figure in enumerate(total[2:]):
        column = [float(row[position + 2]) for row in ROWS if row[0] != "sum"]
        # Each of them is rounded to a cent.
        assert float(figure) == pytest.approx(sum(column), abs=0.005 * len(column))


def test_the_tables_are_those_that_the_prices_and_the_template_give():
    """`.venv/bin/python benchmarks/costs.py` prints them."""
    specification = importlib.util.spec_from_file_location("costs", ROOT / "benchmarks" / "costs.py")
    costs = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(costs)

    for part in costs.tables().split("\n\n"):
        assert part in PAGE


def test_every_price_has_a_source_and_is_used():
    table = yaml.safe_load((ROOT / "docs" / "prices.yaml").read_text(encoding="utf-8"))
    script = (ROOT / "benchmarks" / "costs.py").read_text(encoding="utf-8")

    assert table["as_of"]
    for name, item in table["prices"].items():
        assert item["source"].startswith("https://aws.amazon.com/"), name
        assert item["price"] > 0, name
        assert re.search(rf"[\"']{name}[\"']", script), name


def test_every_kind_of_resource_is_billed_in_a_row_or_for_what_it_does():
    """A new kind of resource has to be given a row, or a word here."""
    from audit import transformed

    rows = {
        "AWS::CloudWatch::Alarm": "alarms",
        "AWS::CloudWatch::CompositeAlarm": "alarms",
        "AWS::CloudWatch::Dashboard": "dashboard",
        "AWS::ApiGateway::RestApi": "API Gateway",
        "AWS::Lambda::Function": "predict",
        "AWS::StepFunctions::StateMachine": "one training",
        "AWS::DynamoDB::Table": "feature store",
        "AWS::Logs::LogGroup": "logs",
        "AWS::S3::Bucket": "S3 writes",
    }
    # Billed by use in cents, as the text below the table says, or not at all.
    cents = {"AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::SageMaker::MlflowApp"}
    free = (
        r"AWS::(IAM|Events)::\w+|AWS::ApiGateway::(ApiKey|Deployment|Stage|UsagePlan|UsagePlanKey)|\w+::\w+::\w*Policy"
    )
    free += r"|AWS::Lambda::(Alias|EventInvokeConfig|LayerVersion|Permission|Version)|AWS::SNS::Subscription"
    free += r"|AWS::Logs::SubscriptionFilter"
    made = transformed.Stack(transformed.transformed(transformed.source()), {})
    kinds = {item["Type"] for item in made.resources().values()}

    assert {kind for kind in kinds - rows.keys() - cents if not re.fullmatch(free, kind)} == set()
    assert set(rows.values()) <= {row[0] for row in ROWS}
