"""Record of a monitor run: its measurements, its conclusion and the reasons. docs/monitoring.md describes each field.

Standard library only: code that draws a record or raises alarms needs no other module of the monitor.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

SCHEMA = "slipcast.monitor/2"

Conclusion = Literal["healthy", "drift", "miscalibrated", "degraded", "insufficient_data", "no_model"]
DriftState = Literal["ok", "drift", "insufficient_data"]
RealisedState = Literal["ok", "miscalibrated", "degraded", "insufficient_data"]
EstimateState = Literal["ok", "estimate_invalid", "insufficient_data"]
What = Literal["distribution", "missing", "unseen", "out_of_range"]
Interval = list[float]


@dataclass(frozen=True)
class Finding:
    """Difference of a feature that is larger than chance and larger than tolerated.

    Attributes
    ----------
    what
        ``distribution`` (effect: population stability index minus its mean without drift), ``missing``, ``unseen`` or
        ``out_of_range`` (effect: share of the window less that of the reference)
    effect, limit
        the effect, and its limit at this window size
    p_value
        Holm-corrected
    words
        for a reader, such as ``missing in 41 % of the window, 3 % of the reference``
    """

    what: What
    effect: float
    limit: float
    p_value: float
    words: str


@dataclass(frozen=True)
class Bin:
    """Share of the reference and of the window in one bin; `label` is a range, a category or ``(missing)``."""

    label: str
    reference: float
    window: float


@dataclass(frozen=True)
class FeatureDrift:
    """Drift of a feature, or of the score, against the reference.

    Attributes
    ----------
    kind
        ``numeric`` or ``categorical``
    drifted
        whether this window has a finding
    confirmed
        whether enough of the last windows have the same finding
    findings
        see `Finding`; empty unless `drifted`
    psi
        population stability index
    psi_chance
        its mean without drift, at this window size
    psi_limit
        its limit for a finding, at this window size
    js_distance
        Jensen-Shannon distance to base 2, from 0 to 1
    wasserstein
        first Wasserstein distance over the reference's standard deviation; None for categories and constants
    p_value
        Holm-corrected p-value of the distribution
    mean, reference_mean
        None for categories and without known values
    missing_share, reference_missing_share
        shares of all predictions
    unseen_share
        share of categories that are not in the training data; None for numbers
    out_of_range_share
        share below or above all training values; None for categories
    bins
        both distributions, missing values last
    """

    kind: Literal["numeric", "categorical"]
    drifted: bool
    confirmed: bool
    findings: list[Finding]
    psi: float
    psi_chance: float
    psi_limit: float
    js_distance: float
    wasserstein: float | None
    p_value: float
    mean: float | None
    reference_mean: float | None
    missing_share: float
    reference_missing_share: float
    unseen_share: float | None
    out_of_range_share: float | None
    bins: list[Bin]


@dataclass(frozen=True)
class Drift:
    """The window against the profile of the model.

    Attributes
    ----------
    state
        of this window
    confirmed
        whether `needed` of the last `of` non-overlapping windows have the same finding, which alarms require
    n, min_n
        distinct predictions in the window, and the minimum for a verdict
    needed, of
        the rule
    alpha
        level of the Holm-corrected test of one window, from the false alarms allowed
    false_alarms_per_month
        allowed for the whole rule
    earlier
        the windows before, newest first: ``until``, ``state``, ``findings`` (``feature:what``)
    drifted, confirmed_features
        names, largest effect first; with ``score`` if it drifted
    max_psi
        largest index of a feature or the score; None with insufficient data
    drifted_share
        share of the features that drifted; None with insufficient data
    features
        by name
    score
        None with insufficient data
    """

    state: DriftState
    confirmed: bool
    n: int
    min_n: int
    needed: int
    of: int
    alpha: float
    false_alarms_per_month: float
    earlier: list[dict[str, Any]] = field(default_factory=list)
    drifted: list[str] = field(default_factory=list)
    confirmed_features: list[str] = field(default_factory=list)
    max_psi: float | None = None
    drifted_share: float | None = None
    features: dict[str, FeatureDrift] = field(default_factory=dict)
    score: FeatureDrift | None = None


@dataclass(frozen=True)
class Slice:
    """Realized performance of a slice; `worse` if its gap is beyond chance, corrected for the number of slices."""

    column: str
    value: str
    n: int
    late_rate: float
    mean_score: float
    calibration_gap: float
    calibration_gap_ci: Interval
    brier: float
    auc: float | None
    worse: bool


@dataclass(frozen=True)
class Realised:
    """Performance on labels that matured since the model's own data.

    Attributes
    ----------
    state
        ``miscalibrated`` or ``degraded`` only if beyond tolerance and chance, at any number of looks
    n, n_late
        activities that are judged: those with a label of the last year (at least 200), or all since the release if only
        those show a problem; each counts once, with the first prediction of the version
    since
        first day of maturity among them
    awaiting
        predicted activities without a label yet
    coverage
        share of the predicted activities that have a label; None without predictions
    lag_days
        median days from the prediction to the label; None without labels
    dataset_id, data_date
        where the labels come from; None before the first dataset
    late_rate, mean_score
        of the activities with a label
    calibration_gap
        mean_score - late_rate, above 0 too pessimistic
    *_ci
        95 % intervals for reading once, clustered by project
    *_bounds
        bounds that hold at all times together (confidence sequence); `state` is based on them
    reference_brier, reference_auc
        of the model on its holdout
    slices
        see `Slice`
    timeline
        by month in which the label became known: ``month``, ``n``, ``late_rate``, ``mean_score``
    """

    state: RealisedState
    n: int = 0
    n_late: int = 0
    since: str | None = None
    awaiting: int = 0
    coverage: float | None = None
    lag_days: float | None = None
    dataset_id: str | None = None
    data_date: str | None = None
    late_rate: float | None = None
    mean_score: float | None = None
    calibration_gap: float | None = None
    calibration_gap_ci: Interval | None = None
    calibration_gap_bounds: Interval | None = None
    calibration_tolerance: float | None = None
    brier: float | None = None
    brier_ci: Interval | None = None
    brier_bounds: Interval | None = None
    reference_brier: float | None = None
    auc: float | None = None
    auc_ci: Interval | None = None
    auc_bounds: Interval | None = None
    reference_auc: float | None = None
    slices: list[Slice] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Estimated:
    """Performance expected without labels, if the scores are calibrated (confidence-based).

    Attributes
    ----------
    why
        reason why there is no valid estimate; None if `state` is ``ok``
    n
        predictions in the window
    brier, auc, late_rate
        expected; None unless `state` is ``ok``
    reference_brier, reference_auc
        the same estimate on the scores that the calibration was fitted to
    outside_share
        share of scores outside the range that the calibration was fitted to
    """

    state: EstimateState
    why: str | None = None
    n: int = 0
    brier: float | None = None
    auc: float | None = None
    late_rate: float | None = None
    reference_brier: float | None = None
    reference_auc: float | None = None
    outside_share: float | None = None


@dataclass(frozen=True)
class Record:
    """Run of the monitor.

    Attributes
    ----------
    at, since, until
        ISO 8601 in UTC; the window is since < t <= until
    version, model_id
        of the live model; None before the first release
    conclusion
        one of `Conclusion`; the worst one that applies: degraded, miscalibrated, drift, healthy
    reasons
        sentences, the most important first
    n
        distinct predictions in the window by `version`
    predictions
        all predictions of `version` in the window, repeated ones too
    other_versions
        predictions in the window by other versions
    unreadable
        lines of the log that were quarantined in this run
    score_mean, score_reference_mean
        None without predictions
    scores_by_day
        ``day``, ``n``, ``mean``
    metrics
        metrics published to CloudWatch
    """

    at: str
    since: str
    until: str
    version: str | None
    model_id: str | None
    conclusion: Conclusion
    reasons: list[str]
    n: int = 0
    predictions: int = 0
    other_versions: int = 0
    unreadable: int = 0
    score_mean: float | None = None
    score_reference_mean: float | None = None
    scores_by_day: list[dict[str, Any]] = field(default_factory=list)
    drift: Drift | None = None
    realised: Realised | None = None
    estimated: Estimated | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    schema: str = SCHEMA

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able fields."""
        return asdict(self)
