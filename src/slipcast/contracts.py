"""Contracts of the pipeline: the documents that steps hand to each other, and the state machine's payloads.

They are JSON, so a contract says what is in a document, and no class stands between a document and its bytes. A static
checker sees them at the steps' seams; the tests compare what the functions return with them. Standard library only.
"""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

Outcome = Literal["refused", "ingested", "train"]


class Reference(TypedDict):
    """An object and the SHA-256 of its bytes (hex)."""

    uri: str
    sha256: str


class TableRef(Reference):
    """A stored table of labelled activities."""

    rows: int


class DatasetRef(Reference):
    """A version of the dataset, as `datasets.versions` describes it.

    ``data_date`` is None without dates; then the version has no ``labels_uri`` and no ``last_seen_uri``.
    """

    dataset_id: str
    dated: bool
    data_date: str | None
    manifest_uri: NotRequired[str]
    labels_uri: NotRequired[str]
    last_seen_uri: NotRequired[str]
    rows: NotRequired[int]
    labels: NotRequired[dict[str, int]]
    labels_digest: NotRequired[str]
    profile: NotRequired[str]


class OpenActivities(TypedDict):
    """The open activities of an upload as gzipped JSON lines; an upload without any has no object."""

    rows: int
    uri: NotRequired[str]
    sha256: NotRequired[str]


class CheckCounts(TypedDict):
    """Checks of a schedule's network that passed and that were made."""

    passed: int
    checks: int


class Upload(TypedDict):
    """The last schedule of a source; ``changes`` is the number of differences in kind from the one before.

    Without ``own_names`` or ``dropped`` it was ingested by an older version. ``activities`` are all activities of the
    file, ``network`` the rows of its network by table, ``quality`` how many of its checks passed,
    ``file`` the object by ``uri`` and ``version_id``.
    """

    source: str
    data_date: str | None
    profile: NotRequired[str]
    counts: dict[str, int]
    changes: int
    open: OpenActivities
    dropped: NotRequired[str]
    own_names: NotRequired[dict[str, str]]
    activities: NotRequired[OpenActivities]
    network: NotRequired[Reference]
    quality: NotRequired[CheckCounts]
    execution: NotRequired[str]
    dataset_id: NotRequired[str]
    file: NotRequired[dict[str, str]]


class ModelRef(TypedDict):
    """Everything a release needs of a model. ``runtime`` is None where the standard library runs it.

    A model without forecast has no ``forecast_uri``.
    """

    model_id: str
    family: str
    runtime: str | None
    sha256: str
    artefact_uri: str
    profile_uri: str
    golden_uri: str
    layer_key: str
    dataset_id: str
    trained_at: str
    execution: str
    forecast_uri: NotRequired[str]


class ForecastPin(TypedDict):
    """``forecast`` in the metadata of a model: digest of the bytes of its ``forecast.json``, and its tolerance."""

    sha256: str
    tolerance_days: int


class FeatureNames(TypedDict):
    """The features of a search by kind."""

    numeric: list[str]
    categorical: list[str]


class FoldSummary(TypedDict):
    """Sizes and days of a fold; days are None where time plays no part."""

    train: int
    test: int
    purged: int
    begin: str | None
    end: str | None


class Track(TypedDict):
    """One protocol of a search.

    ``rows`` are used for fitting and ``rest`` for the final test.
    """

    data: Reference
    folds: list[FoldSummary]
    rows: int
    rest: int
    columns: int
    select_by: str
    majority_accuracy: float


class NetworkPlan(TypedDict):
    """Rows of projects with a network (`slipcast.forecast.network_table`); without, ``why`` says the reason."""

    why: str
    tables: dict[str, TableRef]


class ForecastPlan(TypedDict):
    """The search for a forecast; without ``tables`` (landmarks) there is none, and ``why`` says the reason."""

    why: str
    points: list[dict[str, Any]]
    tables: dict[str, TableRef]
    networks: NotRequired[NetworkPlan]


class ForecastPoint(TypedDict):
    """A measured point of the forecast's grid; ``pinball`` is in days, None with an ``error``."""

    point: int
    params: dict[str, Any]
    pinball: float | None
    seconds: float
    error: str | None


class SearchPlan(TypedDict):
    """A search before its first round; ``cut`` is None without dates, ``budget_seconds`` without a limit.

    ``fills`` are the counts of `datasets.updates`; ``tables`` are train, holdout and, with dates,
    between (started before the cut, matured after it) and pending (no label yet).
    """

    execution: str
    protocol: Literal["time", "paper"]
    cut: str | None
    seed: int
    budget_seconds: float | None
    tolerated_share: float
    candidates: Any
    features: FeatureNames
    fills: dict[str, dict[str, list[int]]]
    tables: dict[str, TableRef]
    tracks: dict[str, Track]
    forecast: ForecastPlan


class SearchTask(TypedDict):
    """A task of a round of search: fits of ``units`` (family, point, fold) on a share of the rows."""

    id: str
    kind: Literal["search"]
    track: str
    share: float
    units: list[tuple[str, int, int]]
    seconds: float


class FitTask(TypedDict):
    """A task of the last round: one fit on all rows. ``oof`` names the objects with its fold probabilities."""

    id: str
    kind: Literal["fit"]
    track: str
    family: str
    point: int
    params: dict[str, Any]
    oof: list[str]


class ForecastSearchTask(TypedDict):
    """A task of the first round: measures points of the forecast's grid."""

    id: str
    kind: Literal["forecast_search"]
    track: str
    points: list[int]


class ForecastFitTask(TypedDict):
    """A task of the last round: fits the forecast on all landmarks before the cut."""

    id: str
    kind: Literal["forecast_fit"]
    track: str
    params: dict[str, Any]


class Round(TypedDict):
    """A round of a search and what the next step must know of the rounds before it.

    ``history`` has one summary for each earlier round, ``second`` that of the second track (empty without one), and
    ``forecast`` the measured points of the forecast.
    """

    round: int
    kind: Literal["search", "fit"]
    share: float
    tasks: list[SearchTask | FitTask | ForecastSearchTask | ForecastFitTask]
    grain: dict[str, int]
    entries: dict[str, list[list[Any]]]
    history: list[Mapping[str, Any]]
    second: Mapping[str, Any]
    left_out: list[list[Any]]
    forecast: list[ForecastPoint]
    beyond: NotRequired[list[str]]


class StoredRound(Round):
    """A round as it is stored, with the reference of its plan."""

    plan: Reference


class ChampionRecord(TypedDict):
    """The live model that a challenger was compared with; None for what an older version did not record."""

    version: str
    model_id: str
    trained_at: str | None
    age_days: float | None


class DecisionRecord(TypedDict):
    """The gate's decision."""

    release: bool
    reasons: list[str]


class ForecastMethod(TypedDict):
    """Scores of one method on landmarks of the holdout, None where one is not defined.

    CRPS and pinball losses in days, the others as shares. ``held_80`` is the share of finishes by the P80,
    ``cover_80`` and ``cover_90`` that inside the central intervals, ``auc_within`` the median of the projects' AUCs,
    ``precision_top`` the share late among the tenth with the largest probability.
    """

    method: str
    auc: float | None
    auc_within: float | None
    precision_top: float | None
    brier: float | None
    crps: float | None
    pinball: float | None
    pinball_50: float | None
    pinball_80: float | None
    pinball_90: float | None
    held_80: float | None
    cover_80: float | None
    cover_90: float | None


class ForecastStage(TypedDict):
    """Landmarks of one stage (``rows``, of which ``finished`` have a known finish), by all methods.

    ``coverage_ci`` has the forecast's 95 % intervals of ``held_80``, ``cover_80`` and ``cover_90``.
    """

    stage: str
    rows: int
    finished: int
    methods: list[ForecastMethod]
    coverage_ci: dict[str, list[float]]


class ForecastBacktest(TypedDict):
    """Forecast of one project's open activities at one landmark, and its outcome.

    Each activity has ``activity_id``, ``stage``, ``baseline_finish``, ``p10``, ``p50``, ``p80``, ``p90``, ``finish``
    (None if it was open when it was ``last_seen``); days are ISO 8601.
    """

    project_id: str
    data_date: str
    activities: list[dict[str, str | None]]


class NetworkScores(TypedDict):
    """The part ``network`` of a forecast compared with the draws of the Monte Carlo, on projects of the holdout.

    ``pinball`` and ``drawn`` are their losses, of completions in % of the duration, of activities in working days;
    ``less`` is the difference, with its ``ci``; ``held_80`` and ``drawn_held_80`` the shares of finishes by the P80.
    """

    rows: int
    projects: int
    pinball: float
    drawn: float
    less: float
    ci: list[float]
    held_80: float
    drawn_held_80: float


class NetworkEvaluation(TypedDict):
    """Decision on the part ``network`` of a forecast; ``why`` says the reason if there is none to judge."""

    why: str
    released: bool
    reasons: list[str]
    completion: NetworkScores | None
    activities: NetworkScores | None


class ForecastEvaluation(TypedDict):
    """``forecast`` in ``evaluation.json``: figures of the forecast and the decision on it.

    ``why`` says the reason if there is no new one to judge. ``released`` is ``forecast`` (the new one), ``live
    forecast`` (that of the champion) or None. ``pinball`` compares the new one's loss with others by method:
    ``challenger``, ``other``, ``less`` and its ``ci``. ``networks`` judges its part for networks. ``histogram`` has the
    shares of finishes by the stated probability.
    """

    why: str
    released: str | None
    reasons: list[str]
    limits: list[dict[str, Any]]
    pinball: dict[str, Any]
    networks: NotRequired[NetworkEvaluation]
    bounds: dict[str, float]
    search: dict[str, Any] | None
    landmarks: dict[str, Any]
    stages: list[ForecastStage]
    histogram: list[float]
    backtest: ForecastBacktest | None


class EvaluationRecord(TypedDict):
    """The part of ``evaluation.json`` that later steps read. docs/evaluation.md describes the whole."""

    execution: str
    reason: str
    created_at: str
    dataset: DatasetRef
    tables: dict[str, TableRef]
    champion: ChampionRecord | None
    model: ModelRef
    decision: DecisionRecord
    forecast: NotRequired[ForecastEvaluation]


class ReleaseRecord(TypedDict):
    """A version that got traffic: the version before it, and the variables of its model."""

    previous: str
    execution: str
    model: dict[str, str]


# Payloads of the state machine, in the order of its steps.


class Prepared(TypedDict):
    """Answer of prepare to a file or a request that it could read."""

    outcome: Outcome
    why: str
    hold: str
    reason: str
    dataset: DatasetRef
    upload: NotRequired[Upload | None]


class Refused(TypedDict):
    """Answer of prepare to a file that it could not read."""

    outcome: Outcome
    why: str


class Refreshed(TypedDict):
    """Answer of refresh: keys that the feature store knows, and how many of them changed."""

    keys: int
    written: int
    deleted: int


class ScoreRequest(TypedDict):
    """Request to score one upload, or without one every source of another model."""

    upload: NotRequired[Upload | None]


class Bands(TypedDict):
    """Open activities by risk; those that are late already are no risk any more."""

    late: int
    high: int
    medium: int
    low: int


class ScoreSummary(TypedDict):
    """Predictions for the open activities of a source."""

    source: str
    data_date: str | None
    uri: str
    sha256: str
    rows: int
    bands: Bands
    threshold: float
    model_version: str
    model_id: str
    model_sha256: str


class Scored(TypedDict):
    """Answer of score."""

    scored: list[ScoreSummary]
    why: NotRequired[str]


class PlanRequest(TypedDict, total=False):
    """Request for the first round of a dataset, or for the one after a ``round`` that ran."""

    execution: str
    dataset: DatasetRef
    round: Reference


class Planned(TypedDict):
    """Answer of plan: how to run the tasks of a round; ``search`` once the search is over."""

    next: Literal["inline", "distributed", "evaluate"]
    tasks: list[str]
    round: Reference
    search: NotRequired[Reference]


class TrainRequest(TypedDict):
    """Request for one task of a round."""

    task: str
    round: Reference


class Trained(TypedDict):
    """Answer of train: the task and the URI of its result."""

    task: str
    result: str


class EvaluateRequest(TypedDict):
    """Request to judge what a search found."""

    execution: str
    reason: str
    dataset: DatasetRef
    search: Reference


class Verdict(TypedDict):
    """Answer of evaluate."""

    release: bool
    why: str
    model: ModelRef
    evaluation_uri: str


class ReportAnswer(TypedDict):
    """Answer of report; None where there is nothing to draw."""

    report_uri: str | None


class Tracked(TypedDict):
    """Answer of track: the records that were logged, and what waits."""

    logged: list[str]
    waiting: NotRequired[int]
    why: NotRequired[str]


class Chosen(TypedDict):
    """Answer of the release function to a person's choice in MLflow."""

    outcome: Literal["promoted", "live", "refused"]
    why: str
    live: str | None


class ApprovalRequest(TypedDict):
    """Request to ask a person."""

    step: Literal["ask"]
    execution: str
    model: ModelRef
    evaluation_uri: str
    task_token: str


class ApprovalAsked(TypedDict):
    """Answer of approve to a request to ask."""

    expires_at: str


class ApprovalConclusion(TypedDict):
    """Request to conclude an approval."""

    step: Literal["conclude"]
    execution: str
    in_time: bool
    why: str


class ApprovalConcluded(TypedDict):
    """Answer of approve to a request to conclude."""

    release: bool
    outcome: str
    why: str


class Published(TypedDict):
    """Answer of release to ``publish``: the new version and its layer."""

    version: str
    layer: str | None


class Verified(TypedDict):
    """Answer of release to ``verify``."""

    version: str
    compared: int


class CanaryStart(TypedDict):
    """The first step of a canary."""

    index: int


class Predicted(TypedDict):
    """Shift of the scores that the replay predicts."""

    shift: float
    distance: float | None


class Replayed(TypedDict):
    """Answer of release to ``shadow``."""

    previous: str
    canary: CanaryStart
    notes: list[str]
    predicted: Predicted | None
    next: Literal["promote", "canary", "stop"]
    why: str


class CanaryStep(TypedDict):
    """Answer of release to ``weigh`` and ``judge``."""

    action: str
    index: int
    weight: int
    started_at: str
    wait_seconds: int
    why: str
    notes: list[str]


class Promoted(TypedDict):
    """Answer of release to ``promote``."""

    version: str
    previous: str


class Pruned(TypedDict):
    """Answer of release to ``prune``: what was deleted."""

    versions: list[str]
    layers: list[str]


class RolledBack(TypedDict):
    """Answer of release to ``roll_back``; ``withdrawn``: whether the version had a weight."""

    version: str
    live: str
    withdrawn: bool
    why: str


class EdgeRequest(TypedDict):
    """Request for the bundle of a released model."""

    model: ModelRef
    version: str


class EdgePublished(TypedDict):
    """Answer of edge."""

    bundle_uri: str
    record_uri: str
    onnx: dict[str, Any]


class TrainedOn(TypedDict):
    """The dataset of a training that was answered."""

    dataset_id: str
    reason: str


class Notification(TypedDict):
    """Request to record and publish the outcome of an execution; None for what it has not come to."""

    outcome: str
    execution: str
    reason: NotRequired[str]
    source: NotRequired[dict[str, str] | None]
    upload: NotRequired[Upload | None]
    hold: NotRequired[str | None]
    trained: NotRequired[TrainedOn | None]
    why: NotRequired[str]
    version: NotRequired[str | None]
    edge: NotRequired[str | None]


class Notified(TypedDict):
    """Answer of notify."""

    outcome: str
    why: str | None
    version: str | None
