"""Charts of the features: permutation importance, partial dependence, leakage of single features, drift."""

from typing import Any

from markupsafe import Markup

from slipcast.reports.figures import BLUE, GREY, HALF, INK, SKY, VERMILION, chart
from slipcast.reports.formatting import compact, number, percent, plain, short

MOST = 20
# Stability index from which the monitor may call a feature drifted.
DRIFTED = 0.2


def importances(record: dict[str, Any]) -> Markup | None:
    """Return the loss of AUC when a feature's values are shuffled, with the standard deviation of the repeats."""
    rows = record["importance"][:MOST]
    said = "; ".join(f"{plain(row['feature'])} {number(row['mean'], 4)}" for row in rows)
    if not rows:
        return None
    with chart("importance", "Permutation importances", said, height=0.75 + 0.24 * len(rows)) as drawn:
        axes = drawn.axes(grid="x")
        for place, row in enumerate(rows):
            axes.barh(place, row["mean"], height=0.6, color=BLUE if row["mean"] > 0 else GREY)
            ends = [row["mean"] - row["std"], row["mean"] + row["std"]]
            axes.plot(ends, [place, place], color=INK, linewidth=1.1)
        _names(axes, [row["feature"] for row in rows])
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel("AUC lost when the feature is shuffled")
    return drawn.markup


def dependences(record: dict[str, Any]) -> list[tuple[dict[str, Any], Markup]]:
    """Return for each top feature its partial dependence: the mean probability when all activities had that value."""
    found = [item for item in record["partial_dependence"] if item["values"]]
    means = [mean for item in found for mean in item["mean"]]
    if not means:
        return []
    # One scale for all: a flat line must look flat.
    room = max(0.02, 0.08 * (max(means) - min(means)))
    limits = max(0.0, min(means) - room), min(1.0, max(means) + room)
    return [(item, _dependence(place, item, limits)) for place, item in enumerate(found)]


def _dependence(place: int, item: dict[str, Any], limits: tuple[float, float]) -> Markup:
    said = "; ".join(
        f"{compact(value) if item['kind'] == 'numeric' else short(value)}: {percent(mean)}"
        for value, mean in zip(item["values"], item["mean"], strict=True)
    )
    name = plain(item["feature"])
    numeric = item["kind"] == "numeric"
    height = 2.3 if numeric else 0.85 + 0.24 * len(item["values"])
    with chart(f"dependence-{place}", f"Partial dependence on {name}", said, width=HALF, height=height) as drawn:
        if numeric:
            axes, below = drawn.figure.subplots(2, sharex=True, height_ratios=[4, 1])
            axes.grid(axis="y")
            axes.plot(item["values"], item["mean"], "o-", color=BLUE, markersize=3.5, linewidth=1.5)
            axes.set(ylim=limits, ylabel="mean probability")
            span = max(item["values"]) - min(item["values"]) or 1
            below.bar(item["values"], item["n"], width=span / 60, color=GREY)
            below.set(xlabel=short(name, 40), yticks=[])
            below.locator_params(axis="x", nbins=5)
            below.spines["left"].set_visible(False)
        else:
            axes = drawn.axes(grid="x")
            axes.hlines(range(len(item["values"])), limits[0], item["mean"], color=SKY, linewidth=1.2)
            axes.plot(item["mean"], range(len(item["values"])), "o", color=BLUE, markersize=5)
            _names(axes, [short(value, 20) for value in item["values"]])
            axes.set(xlim=limits, xlabel="mean probability")
            axes.locator_params(axis="x", nbins=4)
    return drawn.markup


def leakage(record: dict[str, Any]) -> Markup | None:
    """Return the AUC of each feature alone with the limit above which leakage is suspected."""
    found, limit = record["leakage"]["features"], record["leakage"]["max_feature_auc"]
    rows = sorted((row for row in found if row["auc"] is not None), key=lambda row: -row["auc"])[:MOST]
    if not rows:
        return None
    said = "; ".join(f"{plain(row['feature'])} {number(row['auc'])}" for row in rows)
    with chart("leakage", "AUC of each feature alone", said, height=0.95 + 0.24 * len(rows)) as drawn:
        axes = drawn.axes(grid="x")
        for place, row in enumerate(rows):
            axes.barh(place, row["auc"], height=0.6, color=VERMILION if row["auc"] > limit else SKY)
        _names(axes, [row["feature"] for row in rows])
        axes.axvline(limit, color=VERMILION, linestyle="--", linewidth=1.4, label=f"limit {number(limit, 2)}")
        axes.axvline(0.5, color=GREY, linestyle=":", linewidth=1.2, label="guessing 0.5")
        axes.set_xlim(0, 1)
        drawn.figure.legend(loc="outside lower center", ncols=2)
    return drawn.markup


def drift(record: dict[str, Any]) -> Markup | None:
    """Return the population stability index of each feature against the champion's training profile."""
    if record["drift"] is None or not record["drift"]["features"]:
        return None
    rows = sorted(record["drift"]["features"], key=lambda row: -row["psi"])[:MOST]
    said = "; ".join(f"{plain(row['feature'])} {number(row['psi'])}" for row in rows)
    with chart("drift", "Drift since the live model was trained", said, height=0.95 + 0.24 * len(rows)) as drawn:
        axes = drawn.axes(grid="x")
        for place, row in enumerate(rows):
            axes.barh(place, row["psi"], height=0.6, color=VERMILION if row["psi"] > DRIFTED else SKY)
        _names(axes, [row["feature"] for row in rows])
        axes.axvline(DRIFTED, color=VERMILION, linestyle="--", linewidth=1.4, label=f"large: above {DRIFTED}")
        axes.set_xlim(0, max(DRIFTED * 1.25, *(row["psi"] * 1.05 for row in rows)))
        axes.set_xlabel("population stability index")
        drawn.figure.legend(loc="outside lower center")
    return drawn.markup


def _names(axes: Any, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), [short(plain(name)) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
