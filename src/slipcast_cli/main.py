"""``slipcast``: one command for planners and operators.

Commands work on the AWS account of the shell. If the shell names none and a local cloud is up in the checkout, that one
is used.

Exit codes: 0 done; 1 failed, one line on standard error says why and what to do; 2 wrong arguments; 3 the file was
refused, or activities have no prediction.
"""

import functools
import getpass
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from slipcast_cli import environment

REFUSED = 3
EPILOG = """Commands work on the AWS account of the shell; if the shell names none and a local cloud is up in the
checkout, that one is used. Exit codes: 0 done; 1 failed; 2 wrong arguments; 3 the file was refused, or activities have
no prediction."""
STACK = "slipcast"


class Failed(click.ClickException):
    """A command that could not be carried out; printed as one line, exit code 1."""

    def show(self, file: Any = None) -> None:
        """Print the message as other commands of the project do."""
        click.echo(f"error: {self.format_message()}", file=file or sys.stderr, err=True)


def aws_command[**Arguments, Returned](function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Decorator of a command that uses a stack: falls back to the local cloud, explains errors."""

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        # Imported here, so that --help and the completion of the shell answer at once.
        from botocore.exceptions import BotoCoreError, ClientError

        from slipcast.ingest.refusal import ScheduleRefused
        from slipcast_aws.release.versions import ReleaseError
        from slipcast_aws.storage import DigestMismatchError
        from slipcast_cli.findings import of_error
        from slipcast_cli.lineage import LineageError
        from slipcast_cli.predict import PredictionError
        from slipcast_cli.stack import StackError

        environment.use_local_cloud()
        try:
            return function(*args, **kwargs)
        except StackError as error:
            raise Failed(f"{error}. {error.remedy}") from error
        except (ReleaseError, LineageError, PredictionError, DigestMismatchError, RuntimeError) as error:
            raise Failed(str(error)) from error
        except ScheduleRefused as refusal:
            click.echo(f"refused: {refusal}", err=True)
            raise SystemExit(REFUSED) from refusal
        except (ClientError, BotoCoreError) as error:
            finding = of_error("aws", error, getattr(error, "operation_name", ""), optional=False)
            raise Failed(f"{finding.text}. {finding.remedy}".rstrip(". ")) from error

    return call


def _default_stack() -> str:
    # The local cloud's environment names its stack, and is not yet there when click looks at the variable.
    environment.use_local_cloud()
    return os.environ.get("SLIPCAST_STACK", STACK)


stack_option = click.option(
    "--stack", envvar="SLIPCAST_STACK", default=_default_stack, show_default=STACK, help="CloudFormation stack."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG)
@click.version_option(version("slipcast"), prog_name="slipcast")
def cli() -> None:
    """Forecast which construction activities will slip."""


# --- Planner -----------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--folder", default="", help="Folder below incoming/: names the profile that reads the file.")
@click.option("--wait/--no-wait", default=False, help="Follow the execution and say what was understood.")
@click.option("--minutes", default=60.0, show_default=True, help="How long to follow.")
@click.option("--top", default=10, show_default=True, help="Riskiest open activities to show.")
@stack_option
@json_option
@aws_command
def drop(file: Path, folder: str, wait: bool, minutes: float, top: int, stack: str, as_json: bool) -> None:
    """Upload a schedule FILE; events take it from there."""
    from slipcast_cli import show
    from slipcast_cli.drop import Drop
    from slipcast_cli.stack import find

    client = Drop(find(stack), every=1.0)
    dropped = client.upload(file, folder)
    if not wait:
        if as_json:
            click.echo(json.dumps(asdict(dropped)))
        else:
            click.echo(f"{dropped.uri}\nexecution {dropped.name}; --wait follows it, slipcast history shows its end")
        return
    click.echo(dropped.uri, err=True)
    with show.progress(f"execution {dropped.name}") as step:
        for state in client.follow(dropped, minutes):
            step(state)
    result = client.result(dropped, top)
    if as_json:
        click.echo(json.dumps({**asdict(dropped), **asdict(result)}))
    else:
        show.result(result, dropped.name)
    if not result.accepted:
        raise SystemExit(REFUSED if result.outcome == "refused" else 1)


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, allow_dash=True), default="-", help="CSV to write (standard output)."
)
@click.option("--profile", default="", help="Name of a built-in profile, or path of one of your own.")
@stack_option
@aws_command
def predict(file: Path, out: str, profile: str, stack: str) -> None:
    """Ask the API for the open activities of a schedule FILE and write CSV.

    More than 10,000 activities are predicted by a batch job. Nothing is stored but the prediction log.
    """
    from slipcast_cli import predict as prediction
    from slipcast_cli import show
    from slipcast_cli.api import Api
    from slipcast_cli.stack import find

    try:
        chosen = prediction.profile_of(profile) if profile else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--profile") from error
    with prediction.workdir() as folder:
        schedule, rows = prediction.open_activities(file, chosen, Path(folder))
        click.echo(
            f"{schedule.counts['read']} rows read by profile {schedule.profile.name}, {schedule.counts['rejected']} "
            f"rejected, {len(rows)} open",
            err=True,
        )
        api = Api(find(stack))
        with show.counter("predictions", len(rows)) as advance, click.open_file(out, "w", encoding="utf-8") as sink:
            failed = prediction.write(prediction.predict(api, rows, advance), sink)
    if failed:
        click.echo(f"{failed} of {len(rows)} activities have no prediction: see the column error", err=True)
        raise SystemExit(REFUSED)


def _network(file: Path) -> Any:
    from slipcast.ingest.read_network import read_network
    from slipcast.ingest.refusal import ScheduleRefused

    try:
        return read_network(file)
    except ScheduleRefused as refusal:
        click.echo(f"refused: {refusal}", err=True)
        raise SystemExit(REFUSED) from refusal


def _dates(file: Path, network: Any) -> Any:
    from slipcast.schedule.engine import schedule
    from slipcast.schedule.network import CycleError

    try:
        return schedule(network)
    except CycleError as error:
        click.echo(f"refused: {file.name}: {error}", err=True)
        raise SystemExit(REFUSED) from error


schedule_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@cli.command(name="schedule")
@click.argument("file", type=schedule_file)
@click.option("--top", default=30, show_default=True, help="Activities of the longest path to show.")
@json_option
def schedule_command(file: Path, top: int, as_json: bool) -> None:
    """Compute the dates of a FILE (XER, XML of P6 or MS Project) as Primavera P6 does, and check its quality.

    Prints the longest path and the 14 points of the DCMA. Works on this machine alone.
    """
    from slipcast.schedule.quality import assess
    from slipcast.schedule.working_time import minute_of
    from slipcast_cli import schedule as printing

    network = _network(file)
    dates = _dates(file, network)
    checks = assess(network, dates, minute_of(datetime.now()))
    if as_json:
        click.echo(json.dumps(printing.figures(network, dates, checks), indent=1))
    else:
        printing.print_schedule(network, dates, checks, top)


@cli.command()
@click.argument("old", type=schedule_file)
@click.argument("new", type=schedule_file)
@click.option("--top", default=30, show_default=True, help="Slips to show.")
@json_option
def compare(old: Path, new: Path, top: int, as_json: bool) -> None:
    """Compare two updates of a schedule: slips and their causes, edits of logic, durations, calendars, constraints."""
    from slipcast.schedule import comparison
    from slipcast_cli import schedule as printing

    after = _network(new)
    before = comparison.aligned(_network(old), after)
    found = comparison.compare(before, after, _dates(old, before), _dates(new, after))
    if as_json:
        click.echo(json.dumps(comparison.document(found, before, after), indent=1))
    else:
        printing.print_comparison(found, top)


@cli.group()
def profile() -> None:
    """Mapping profiles: how the columns of a table are read."""


@profile.command()
@click.argument("file", type=schedule_file)
@click.option(
    "--name", default="mine", show_default=True, help="Name of the profile, and of its folder below incoming/."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write (standard output).")
@json_option
def suggest(file: Path, name: str, out: Path | None, as_json: bool) -> None:
    """Draft a profile for a table FILE, with a comment for each guess, and try it. Works on this machine alone."""
    from slipcast.ingest.refusal import ScheduleRefused
    from slipcast.ingest.suggest import suggest as draft

    with tempfile.TemporaryDirectory(prefix="slipcast-") as folder:
        try:
            found = draft(file, file.name, workdir=Path(folder), profile=name)
        except ScheduleRefused as refusal:
            click.echo(f"refused: {refusal}", err=True)
            raise SystemExit(REFUSED) from refusal
    if out is not None:
        out.write_text(found.text, encoding="utf-8")
    if as_json:
        guesses = [guess._asdict() for guess in found.guesses]
        click.echo(json.dumps({**found._asdict(), "guesses": guesses}, ensure_ascii=False))
        return
    if out is None:
        click.echo(found.text, nl=False)
    for line in (*found.notes, f"not used: {', '.join(found.not_used)}" if found.not_used else ""):
        click.echo(line, err=True)
    said = (
        ", ".join(f"{count:,} {kind}" for kind, count in found.counts.items()) or "the draft cannot read the file yet"
    )
    click.echo(f"rows: {said}", err=True)


# --- Model -------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("prediction")
@stack_option
@json_option
@aws_command
def lineage(prediction: str, stack: str, as_json: bool) -> None:
    """Walk from a PREDICTION to model, run, dataset and dropped objects; each digest is checked.

    PREDICTION is the prediction_id of an answer, or <source>/<data date>/<activity id> for a row of predictions/.
    """
    from slipcast_cli import lineage as walk
    from slipcast_cli.stack import find

    place = find(stack)
    found = walk.trace(
        place.output("DataBucketName"),
        place.output("PredictFunctionName"),
        place.output("ControlTableName"),
        prediction,
    )
    click.echo(json.dumps(found, indent=1) if as_json else walk.render(found))


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Each request on a line of its own, nothing cut.")
@click.option("--last", default=50, show_default=True, help="Newest lines to show; 0 for all.")
@stack_option
@json_option
@aws_command
def history(everything: bool, last: int, stack: str, as_json: bool) -> None:
    """Show who asked for a training, what was decided, and which version it led to."""
    from slipcast_aws.control.audit import audit_trail
    from slipcast_cli import history as trail
    from slipcast_cli.stack import find

    found = trail.lines(audit_trail(find(stack).output("ControlTableName")))
    shown = found if everything else list(trail.folded(found))
    shown = shown[-last:] if last > 0 else shown
    if as_json:
        click.echo(json.dumps([asdict(line) for line in shown], indent=1))
    elif shown:
        width = trail.FULL if everything else shutil.get_terminal_size((160, 24)).columns
        click.echo(trail.table(shown, width))
    else:
        click.echo("No training has been requested yet")


@cli.command()
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["source", "project_id", "model_id", "horizon", "stage", "data_date"]),
    help="Groups to tell apart; several make finer ones.",
)
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="CSV to write as well.")
@stack_option
@json_option
@aws_command
def scoreboard(by: tuple[str, ...], csv_file: Path | None, stack: str, as_json: bool) -> None:
    """Judge every forecast that was given by what is known now: of the finishes called 80 % sure, how many held?

    The planner's own dates stand next to it. reports/scoreboard/index.html in the bucket has the same as a page.
    """
    from slipcast.forecast.scoreboard import summary
    from slipcast_cli import scoreboard as board
    from slipcast_cli.stack import find

    table = summary(board.judged(find(stack)), by)
    if csv_file is not None:
        board.write(table, by, csv_file)
    if as_json:
        click.echo(json.dumps(board.document(table), indent=1))
    else:
        board.print_table(table, by)


@cli.command()
@click.argument("project_id", required=False)
@click.option("--format", "name", type=click.Choice(["xer", "pmxml", "mspdi", "csv", "xlsx", "html"]), default="xlsx")
@click.option("--file", "own", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Your own file.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@click.option("--list", "listed", is_flag=True, help="Name the projects.")
@stack_option
@aws_command
def export(project_id: str | None, name: str, own: Path | None, out: Path | None, listed: bool, stack: str) -> None:
    """Write the forecast of a project into a file: your own of P6 or MS Project, or a table.

    Formats xer, pmxml and mspdi are the file that was dropped, or FILE, with the forecast in user-defined fields.
    """
    from slipcast_cli import export as files
    from slipcast_cli.stack import find

    bucket = find(stack).output("DataBucketName")
    if listed or project_id is None:
        click.echo("\n".join(files.ids(bucket)))
        return
    click.echo(files.write(bucket, project_id, name, own, out))


by_option = click.option("--by", default=getpass.getuser, show_default="user name", help="Name for the audit trail.")


@cli.command()
@by_option
@stack_option
@json_option
@aws_command
def rollback(by: str, stack: str, as_json: bool) -> None:
    """Go back to the model that was live before, or end a canary."""
    from slipcast_cli import switch
    from slipcast_cli.stack import find

    _done(switch.rollback(switch.place_of(find(stack)), by), as_json)


@cli.command()
@click.argument("model_version", metavar="VERSION")
@by_option
@stack_option
@json_option
@aws_command
def promote(model_version: str, by: str, stack: str, as_json: bool) -> None:
    """Make a released VERSION live, once it has given its known answers."""
    from slipcast_cli import switch
    from slipcast_cli.stack import find

    _done(switch.promote(switch.place_of(find(stack)), model_version, by), as_json)


def _done(text: str, as_json: bool) -> None:
    click.echo(json.dumps({"done": text}) if as_json else text)


@cli.command()
@click.argument(
    "target", metavar="PLATFORM", type=click.Choice(["sagemaker", "azureml", "vertex", "kserve", "airflow"])
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New folder for the files.")
@click.option(
    "--bundle", type=click.Path(exists=True, path_type=Path), help="Portable bundle, zip or folder; no stack."
)
@click.option("--version", "model_version", help="Released version; the live one where absent.")
@stack_option
@aws_command
def port(target: str, out: Path, bundle: Path | None, model_version: str | None, stack: str) -> None:
    """Write what PLATFORM needs to serve and train a released model: sagemaker, azureml, vertex, kserve or airflow."""
    from slipcast_cli.port import command

    found = command.of_deployed(stack, model_version) if bundle is None else command.of_file(bundle)
    click.echo(command.run(target, found, out))


# --- Operator ----------------------------------------------------------------------------------------------------


only_option = click.option("--only", type=click.Choice(["events", "updates"]), help="Events, or updates of the stream.")


@cli.command(name="dead-letters")
@only_option
@stack_option
@aws_command
def dead_letters(only: str | None, stack: str) -> None:
    """List the events and updates that could not be handled, with reason and remedy."""
    from slipcast_cli import redrive as queues
    from slipcast_cli.stack import find

    queues.list_all(find(stack), only)


@cli.command()
@only_option
@click.option("--discard", metavar="ID", help="Delete the message of this id for good instead.")
@stack_option
@aws_command
def redrive(only: str | None, discard: str | None, stack: str) -> None:
    """Send them again to where they were going."""
    from slipcast_cli import redrive as queues
    from slipcast_cli.stack import find

    if discard:
        queues.discard_one(find(stack), discard)
    elif queues.redrive_all(find(stack), only):
        raise SystemExit(1)


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@aws_command
def smoke(arguments: tuple[str, ...]) -> None:
    """Check a deployed stack: drop a file, ask the API, look at the alarms (smoke --help lists the options)."""
    from slipcast_cli import smoke as checks

    given = list(arguments) if "--stack" in arguments else [*arguments, "--stack", _default_stack()]
    raise SystemExit(checks.main(given))


@cli.command()
@click.option("--stage", default="default", show_default=True, help="Environment of samconfig.toml.")
@click.option("--stack", default="", help="Name of the stack; that of the stage if left out.")
def deploy(stage: str, stack: str) -> None:
    """Check the account, build and deploy from the checkout; with CI=true nothing is asked."""
    root = environment.checkout()
    if root is None:
        raise Failed("deploying needs a checkout of the repository: git clone it and run .venv/bin/slipcast there")
    # The makefile builds layers and functions and knows how sam is called.
    command = ["make", "-C", str(root), "deploy", f"STAGE={stage}", *([f"STACK={stack}"] if stack else [])]
    raise SystemExit(subprocess.run(command, check=False).returncode)


@cli.command()
@click.argument("dataset", type=click.Choice(["nyc-sca", "nyc-snapshots", "dslib", "p6"]))
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@json_option
def bench(dataset: str, path: Path, as_json: bool) -> None:
    """Compare forecasts with their baselines on a public DATASET, read from PATH; splits and seeds are fixed.

    nyc-sca is a canonical CSV of the New York School Construction Authority, such as examples/nyc_sca_2025-06.csv.
    nyc-snapshots is the CSV of NYC Open Data's capital projects (95tx-snak). dslib is a folder with your download of
    the workbooks of DSLIB. Each takes minutes. p6 is a folder of XER and XML files of Primavera P6: computed dates
    next to those that P6 stored, and the completion by each baseline.
    """
    folder = dataset in ("dslib", "p6")
    if path.is_dir() != folder:
        raise Failed(f"{dataset} is read from a {'folder' if folder else 'file'}: {path} is none")
    found, text = _benchmark(dataset, path)
    click.echo(json.dumps(found) if as_json else text)


def _benchmark(dataset: str, path: Path) -> tuple[dict[str, Any], str]:
    if dataset == "dslib":
        from slipcast_cli import bench_dslib, bench_dslib_tables, dslib

        projects = list(dslib.read_folder(path))
        if not projects:
            raise Failed(f"{path} has no workbooks of DSLIB, whose names begin like C2011-05 and end in .xlsx")
        judged = bench_dslib.run(bench_dslib_tables.tables(projects))
        return bench_dslib.document(judged), bench_dslib.text(judged)
    if dataset == "p6":
        from slipcast_cli import bench_p6

        results = bench_p6.run(path)
        if not results:
            raise Failed(f"{path} has no XER or XML files")
        return bench_p6.document(results), bench_p6.text(results)
    from slipcast_cli import bench as benchmark
    from slipcast_cli import bench_snapshots

    if dataset == "nyc-snapshots":
        result = bench_snapshots.run(bench_snapshots.read(path))
        share, count = bench_snapshots.held(result)
        note = f"\n- {share:.1%} of {count:,} completions came by their P80, of those with a P80 within a year"
        return {**benchmark.document(result), "held_80": share}, benchmark.text(result) + note
    result = benchmark.run(benchmark.read(path), benchmark.NYC_SCA)
    return benchmark.document(result), benchmark.text(result)


# --- Local cloud -------------------------------------------------------------------------------------------------


def _local(*arguments: str) -> None:
    try:
        environment.import_local()
    except RuntimeError as error:
        raise Failed(str(error)) from error
    from local import __main__ as command

    raise SystemExit(command.main(list(arguments)))


@cli.command()
def demo() -> None:
    """Play the whole loop on the local cloud with real data."""
    try:
        environment.import_local()
    except RuntimeError as error:
        raise Failed(str(error)) from error
    from local import demo as story

    raise SystemExit(story.main())


@cli.command()
def up() -> None:
    """Start the local cloud and deploy template.yaml to it; it stays up."""
    _local("up")


@cli.command()
def down() -> None:
    """Stop the local cloud."""
    _local("down")


@cli.command()
def status() -> None:
    """Say what runs of the local cloud."""
    _local("status")


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a SHELL: source <(slipcast completion bash)."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise Failed(f"there is no completion for {shell}")
    click.echo(kind(cli, {}, "slipcast", "_SLIPCAST_COMPLETE").source())


if __name__ == "__main__":
    cli(prog_name="slipcast")
