"""A record of the monitor with everything in it, for the tests of what reads one."""

from slipcast.monitoring.record import Bin, Drift, Estimated, FeatureDrift, Finding, Realised, Record, Slice


def _feature(*, drifted: bool = False, **changed) -> FeatureDrift:
    found = Finding("distribution", 0.36, 0.1, 2.1e-9, "PSI 0.41 where chance gives 0.05 and up to 0.18")
    values = {
        **{"kind": "numeric", "drifted": drifted, "confirmed": drifted, "findings": [found] if drifted else []},
        **{"psi": 0.41 if drifted else 0.04, "psi_chance": 0.05, "psi_limit": 0.18, "js_distance": 0.22},
        **{"wasserstein": 0.6, "p_value": 2.1e-9 if drifted else 1.0, "mean": 214.0, "reference_mean": 163.0},
        **{"missing_share": 0.0, "reference_missing_share": 0.01, "unseen_share": None, "out_of_range_share": 0.02},
        "bins": [
            Bin("≤ 61", 0.33, 0.1),
            Bin("61 to 182", 0.33, 0.3),
            Bin("> 182", 0.33, 0.6),
            Bin("(missing)", 0.01, 0),
        ],
    }
    return FeatureDrift(**values | changed)


def record(**changed) -> Record:
    """A run with confirmed drift and a model that is too pessimistic; fields can be replaced."""
    phase = {
        **{"kind": "categorical", "wasserstein": None, "mean": None, "reference_mean": None},
        **{"unseen_share": 0.03, "out_of_range_share": None},
        "bins": [Bin("Design", 0.6, 0.58), Bin("Scope", 0.4, 0.39), Bin("(other)", 0.0, 0.03)],
    }
    drift = Drift(
        state="drift",
        confirmed=True,
        **{"n": 412, "min_n": 50, "needed": 2, "of": 3, "alpha": 0.026, "false_alarms_per_month": 1.0},
        earlier=[
            {
                "until": "2026-11-17T07:00:00+00:00",
                "state": "drift",
                "findings": ["baseline_duration_days:distribution"],
            },
            {"until": "2026-11-10T07:00:00+00:00", "state": "ok", "findings": []},
        ],
        drifted=["baseline_duration_days"],
        confirmed_features=["baseline_duration_days"],
        max_psi=0.41,
        drifted_share=1 / 3,
        features={
            "baseline_duration_days": _feature(drifted=True),
            "log_budget": _feature(),
            "phase": _feature(**phase),
        },
        score=_feature(mean=0.46, reference_mean=0.36),
    )
    part = Slice("phase", "Design", 180, 0.31, 0.45, 0.14, [0.07, 0.21], 0.21, 0.74, True)
    realised = Realised(
        state="miscalibrated",
        **{"n": 301, "n_late": 93, "awaiting": 111, "coverage": 0.73, "lag_days": 143.0},
        **{"dataset_id": "0f3c9a7be21d4c55", "data_date": "2026-09-30", "since": "2025-10-01"},
        **{"late_rate": 0.309, "mean_score": 0.452, "calibration_gap": 0.143, "calibration_gap_ci": [0.09, 0.19]},
        **{"calibration_gap_bounds": [0.05, 0.23], "calibration_tolerance": 0.05},
        **{"brier": 0.207, "brier_ci": [0.19, 0.225], "brier_bounds": [0.17, 0.24], "reference_brier": 0.183},
        **{"auc": 0.751, "auc_ci": [0.69, 0.81], "auc_bounds": [0.64, 0.86], "reference_auc": 0.758},
        slices=[part],
        timeline=[{"month": "2026-08", "n": 140, "late_rate": 0.33, "mean_score": 0.44}],
    )
    values = {
        **{"at": "2026-11-24T07:00:00+00:00", "since": "2026-11-17T07:00:00+00:00"},
        **{"until": "2026-11-24T07:00:00+00:00", "version": "4", "model_id": "46563b0165b1"},
        "conclusion": "miscalibrated",
        "reasons": [
            "Of 301 activities that matured since 2025-10-01 30.9% were late, their mean score was 45.2%: "
            "too pessimistic by 14.3%, beyond chance.",
            "baseline_duration_days has drifted in 2 of 3 windows: PSI 0.41 where chance gives 0.05 and up to 0.18.",
        ],
        **{"n": 412, "predictions": 530, "other_versions": 3, "score_mean": 0.46, "score_reference_mean": 0.36},
        "scores_by_day": [{"day": "2026-11-23", "n": 61, "mean": 0.47}, {"day": "2026-11-24", "n": 20, "mean": 0.44}],
        "drift": drift,
        "realised": realised,
        "estimated": Estimated(
            "estimate_invalid", "the scores have drifted from those the calibration rests on", n=412
        ),
        "metrics": {"MonitorRuns": 1.0, "MonitoredPredictions": 412.0, "Drift": 1.0, "Miscalibrated": 1.0},
    }
    return Record(**values | changed)
