"""Verdict and model card in words, without statistical terms."""

from typing import Any

from slipcast.contracts import NetworkEvaluation
from slipcast.reports.formatting import clean, compact, day, number, percent, plain


def words(record: dict[str, Any]) -> dict[str, Any]:
    """Return the verdict: ``release``, a ``headline``, a sentence on the consequence, and sentences on its quality."""
    release, champion = record["decision"]["release"], record["champion"]
    if release:
        headline = "Released: the new model may go live" if champion is None else "Released: the new model takes over"
        follows = (
            "The gate found no reason against it. This page is written before the model goes live: approval, "
            "if required, and the checks of the release follow."
        )
    elif champion is None:
        headline = "Rejected: no model goes live"
        follows = "There is still no live model. There are no forecasts until one passes the gate."
    else:
        headline = f"Kept: version {clean(champion['version'])} stays live"
        follows = "Forecasts continue as before. The new model is stored with its figures and is not used."
    return {"release": release, "headline": headline, "follows": follows, "sentences": _sentences(record)}


def _sentences(record: dict[str, Any]) -> list[str]:
    metrics, prior, threshold = record["metrics"], record["prior"], record["threshold"]
    when = f"that started on or after {day(record['cut'])}" if record["cut"] else "drawn at random"
    said = [
        f"It was judged on {number(metrics['n'])} activities {when}, which were not used for training; "
        f"{number(metrics['n_late'])} of them ({percent(metrics['late_rate'], 0)}) finished late."
    ]
    if metrics["auc"] is not None:
        said.append(
            f"Given one late and one timely activity, it rates the late one as riskier {metrics['auc'] * 100:.0f} "
            "times in 100; guessing does so 50 times."
        )
    if metrics["brier"] is not None and prior["brier"]:
        change = 1 - metrics["brier"] / prior["brier"]
        than = "smaller" if change >= 0 else "larger"
        said.append(f"Its squared error is {percent(abs(change), 0)} {than} than that of the usual late rate for all.")
    said.append(_warnings(threshold))
    live = record["champion_metrics"]
    if live is not None and live["brier"] is not None and metrics["brier"] is not None:
        than = "smaller" if metrics["brier"] < live["brier"] else "not smaller"
        said.append(
            f"Its squared error, {number(metrics['brier'], 4)}, is {than} than that of the live model on the same "
            f"activities, {number(live['brier'], 4)}."
        )
    return said


def _warnings(threshold: dict[str, Any]) -> str:
    (_, false_alarms), (missed, found) = threshold["confusion"]
    if not found + false_alarms:
        return f"At the cost threshold {number(threshold['value'])} it would have given no warning."
    late = f"it finds {found} of {found + missed} delays" if found + missed else "there was no delay to find"
    return (
        f"At the cost threshold {number(threshold['value'])} {late}; of its {number(found + false_alarms)} warnings "
        f"{number(found)} were right and {number(false_alarms)} were false alarms."
    )


def card(record: dict[str, Any]) -> dict[str, str]:
    """Return the parts of the model card that depend on the record (Mitchell and others, Model Cards, 2019)."""
    dataset, tables = record["dataset"], record["tables"]
    licence = dataset.get("licence") or dataset.get("license")
    tolerance = dataset.get("tolerance_days")
    late = "late by more than the tolerance" if tolerance is None else f"more than {number(tolerance)} days late"
    rows = number(tables["train"]["rows"])
    if record["cut"]:
        begins = [fold["begin"] for fold in record["search"]["folds"] if fold["begin"] is not None]
        since = f"; the folds of the search test on starts from {day(min(begins))} on" if begins else ""
        window = f"{rows} activities whose outcome was known before {day(record['cut'])}{since}"
    else:
        window = f"{rows} activities without dates, so their years are unknown"
    model = record["model"]
    return {
        "what": f"Scikit-learn's {plain(record['challenger'])}, {_calibration(record)}; model {model['model_id']}."
        f"{_refit(record)}",
        "late": late,
        "window": window,
        "held": _held(record),
        "dates": _dates(record["forecast"]),
        "licence": clean(licence) if licence else "not stated by the dataset: ask the supplier of the schedules",
    }


def _calibration(record: dict[str, Any]) -> str:
    calibration = record["calibration"]
    if not calibration["used"]:
        return "without recalibration"
    slope, intercept = compact(calibration["slope"]), compact(calibration["intercept"])
    return f"recalibrated on the log-odds (slope {slope}, intercept {intercept})"


def _refit(record: dict[str, Any]) -> str:
    """Return what the released model learned beyond the one that was measured; empty if it is the same."""
    refit = record.get("refit", {})
    if not refit.get("rows"):
        return ""
    return (
        f" After the evaluation it was fitted again to all {number(refit['rows'])} matured activities; every figure "
        "here is of its twin, which had not seen the holdout."
    )


def _dates(forecast: dict[str, Any]) -> str:
    if not forecast["stages"] or forecast["released"] is None:
        said = "; ".join(clean(reason) for reason in forecast["reasons"])
        return f"{said[:1].upper()}{said[1:]}."
    whole = forecast["stages"][-1]
    own = next(item for item in whole["methods"] if item["method"] == forecast["released"])
    which = "P10, P50, P80 and P90 of the finish of every open activity"
    if forecast["released"] != "forecast":
        which += ", by the forecast of the live model, which stays"
    return (
        f"{which}. Of the finishes that it called 80 % sure, {percent(own['held_80'], 0)} came by the day; its 80 % "
        f"interval held in {percent(own['cover_80'], 0)}.{_networks(forecast.get('networks'))}"
    )


def _networks(judged: NetworkEvaluation | None) -> str:
    """Return whether the forecast learned from networks; empty for an evaluation of an older version."""
    if judged is None:
        return ""
    completion = judged["completion"]
    if completion is None or not judged["released"]:
        why = "; ".join(clean(reason) for reason in judged["reasons"]) or clean(judged["why"])
        return f" Schedules with a network get the draws of a Monte Carlo: {why}."
    return (
        " Completions and activities of schedules with a network are said by a model of them: a pinball loss of "
        f"{compact(completion['pinball'])} % of the duration, {compact(completion['drawn'])} % by draws alone; "
        f"{percent(completion['held_80'], 0)} came by its P80."
    )


def _held(record: dict[str, Any]) -> str:
    rows = number(record["tables"]["holdout"]["rows"])
    if record["cut"] is None:
        return f"{rows} activities drawn at random"
    until = record["dataset"].get("data_date")
    ends = f", as known on {day(until)}" if until else ""
    return f"{rows} activities that start on or after {day(record['cut'])}{ends}"
