"""Reasons for predictions, on request."""

from msgspec import structs

from predict.api.answers import ExplainedPrediction, ExplainedResponse, Reason
from predict.api.predictions import Scored
from slipcast.forecast.stage import Stage


def response(scored: Scored) -> ExplainedResponse:
    """Return the answer with the reasons for each prediction."""
    # Imported here, not in the init phase: a prediction without reasons does not need it.
    from slipcast.model.explain import contributions

    scorer = scored.model.scorer
    note = contributions.unavailable(scorer)
    explained: list[ExplainedPrediction] = []
    for prediction, row in zip(scored.predictions, scored.rows(), strict=True):
        # That it is late already is a fact: no feature of the model adds up to it.
        late = prediction.stage is Stage.ALREADY_LATE
        found = None if late else contributions.contributions_of(scorer, row)
        explained.append(
            ExplainedPrediction(
                **structs.asdict(prediction),
                base=None if found is None else found.base,
                reasons=None if found is None else [Reason(*item) for item in contributions.top(found, row)],
            )
        )
    plain = scored.response()
    return ExplainedResponse(
        plain.request_id,
        plain.model,
        scored.in_place(explained),
        plain.errors,
        None if note is None else f"no reasons: {note}",
    )
