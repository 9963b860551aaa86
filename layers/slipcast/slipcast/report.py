"""The report of an execution for people, as Markdown."""

from typing import Any


def render(evaluation: dict[str, Any]) -> str:
    """Return the report of an evaluation record: data, candidates on the holdout, the gate's decision."""
    dataset, decision = evaluation["dataset"], evaluation["decision"]
    model = evaluation["model"]
    lines = [
        f"# Execution {evaluation['execution']}",
        "",
        f"Started by {evaluation['reason']}. Dataset `{dataset['dataset_id']}`, data date {dataset['data_date']}, "
        f"{dataset['rows']} activities, {dataset['labels']['matured']} with a known outcome.",
        f"Trained on {evaluation['tables']['train']['rows']} outcomes known before {evaluation['cut']}, "
        f"tested on {evaluation['tables']['holdout']['rows']} activities that start on or after that day.",
        "",
        "| model | CV Brier | AUC | 95 % CI | Brier | 95 % CI | accuracy | majority | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for item in evaluation["candidates"]:
        mark = " (challenger)" if item["family"] == evaluation["challenger"] else ""
        lines.append(
            _row(f"{item['family']}{mark}", item["metrics"], f"{item['cv_brier']:.4f}", f"{item['seconds']:.1f}")
        )
    lines.append(_row("prior (training late rate)", evaluation["prior"], "", ""))
    if evaluation["champion_metrics"]:
        lines.append(
            _row(f"champion, version {evaluation['champion']['version']}", evaluation["champion_metrics"], "", "")
        )
    flattered = evaluation["random_split"]
    lines += [
        "",
        f"A shuffled 80/20 split of the same rows would say AUC {flattered['auc']:.3f} and Brier "
        f"{flattered['brier']:.4f}; it flatters, because neighbours in time share their fate.",
    ]
    for item in evaluation["failed"]:
        lines.append(f"\n{item['family']} failed: {item['error']}")
    lines += [
        "",
        f"## Decision: {'release' if decision['release'] else 'do not release'}",
        "",
        f"Rule: {decision['rule']}",
        "",
        *[f"- {reason}" for reason in decision["reasons"]],
        "",
        "| number | value |",
        "|---|---|",
        *[f"| {name} | {_value(value)} |" for name, value in sorted(decision["numbers"].items())],
        "",
        f"Model `{model['model_id']}`, SHA-256 `{model['sha256']}`.",
        "",
    ]
    return "\n".join(lines)


def _row(name: str, metrics: dict[str, Any], cv_brier: str, seconds: str) -> str:
    auc_low, auc_high = metrics["auc_ci"]
    brier_low, brier_high = metrics["brier_ci"]
    cells = [
        name,
        cv_brier,
        f"{metrics['auc']:.3f}",
        f"{auc_low:.3f}–{auc_high:.3f}",
        f"{metrics['brier']:.4f}",
        f"{brier_low:.4f}–{brier_high:.4f}",
        f"{metrics['accuracy']:.3f}",
        f"{metrics['majority_accuracy']:.3f}",
        seconds,
    ]
    return f"| {' | '.join(cells)} |"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list):
        return " to ".join(_value(item) for item in value)
    return "-" if value is None else str(value)
