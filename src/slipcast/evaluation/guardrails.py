"""Guardrails: limits that reject a challenger, independently of the comparison with the champion."""

from typing import Any

from slipcast.evaluation.gate import Limit
from slipcast.evaluation.leakage import KINDS

UNDATED = (
    "the protocol has no time order: the dataset is undated and was split at random, so the figures do not say how the "
    "model would do on later activities; give start and baseline finish to release a model"
)


def protocol_limit(protocol: str) -> Limit:
    """Return the limit that a dataset without dates (protocol ``paper``) breaks."""
    return Limit("protocol in the order of time", None, None, protocol != "time", UNDATED)


def leakage_limits(report: dict[str, Any]) -> list[Limit]:
    """Return the limits on the AUC of the challenger and of the best single feature, and those of each kind of sign.

    Parameters
    ----------
    report
        as `leakage.leakage_report` returns it
    """
    found = [
        Limit(
            "leakage: AUC of the challenger",
            report["auc"],
            report["max_auc"],
            report["auc"] > report["max_auc"],
            f"suspected leakage: AUC {report['auc']:.3f} is above {report['max_auc']}, "
            "look for a column that is written after the activity's start",
        )
    ]
    if report["features"]:
        best = report["features"][0]
        found.append(
            Limit(
                f"leakage: AUC of {best['feature']} alone",
                best["auc"],
                report["max_feature_auc"],
                best["auc"] > report["max_feature_auc"],
                f"suspected leakage: {best['feature']} alone has an AUC of {best['auc']:.3f}, above "
                f"{report['max_feature_auc']}; look whether it is written after the activity's start",
            )
        )
    for kind, words in KINDS.items():
        signs = [sign for sign in report["signs"] if sign["kind"] == kind]
        if not signs:
            found.append(Limit(words, None, None, False, ""))
        for sign in signs:
            found.append(
                Limit(
                    f"{words}: {sign['feature']}",
                    sign["value"],
                    sign["limit"],
                    True,
                    f"suspected leakage: {sign['evidence']}; leave the column out of the export or the profile, or "
                    "export what it said at the start",
                )
            )
    return found


def fairness_limits(report: dict[str, Any]) -> list[Limit]:
    """Return the limits on the gaps between groups; the value of each is the gap's lower bound.

    Parameters
    ----------
    report
        as `fairness.fairness_report` returns it
    """
    return [
        Limit(
            f"fairness: {gap['measure'].replace('_', ' ')} by {gap['column']}, lower bound of the gap",
            gap["gap_ci"][0],
            gap["limit"],
            gap["broken"],
            f"unfair: {gap['measure'].replace('_', ' ')} by {gap['column']} differs by at least {gap['gap_ci'][0]:.3f} "
            f"at 95 %, allowed are {gap['limit']:g}; highest in {gap['highest']}, lowest in {gap['lowest']}",
        )
        for gap in report["gaps"]
    ]
