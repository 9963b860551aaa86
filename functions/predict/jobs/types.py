"""Types of the requests and answers about batch jobs."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from predict.api.schemas import ModelNames

# Where a caller may put a file; the uploads of jobs are there as well.
INPUTS = "batch-input/"
LONGEST_KEY = 1024
_KINDS = Literal[
    "text/csv", "application/x-ndjson", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
]
_KEY = Meta(min_length=len(INPUTS) + 1, max_length=LONGEST_KEY, pattern=f"^{INPUTS}")


class BatchRequest(Struct, forbid_unknown_fields=True):
    """A file to predict."""

    content_type: Annotated[_KINDS, Meta(description="Media type of the file, a table as /predictions takes it")]
    accept: Annotated[_KINDS | None, Meta(description="Media type of the result; that of the file where absent")] = None
    outputs: Annotated[
        Literal["predictions", "forecasts"],
        Meta(description="Columns of the result: those of /predictions, or those of /forecasts in addition"),
    ] = "predictions"
    key: Annotated[
        Annotated[str, _KEY] | None,
        Meta(description="Object of the data bucket, below batch-input/; absent: the answer has a form to upload one"),
    ] = None


class BatchUpload(Struct):
    """Form to upload the file with: a POST of multipart/form-data, the fields first and the file last."""

    url: str
    fields: dict[str, str]
    expires_at: str


class BatchResult(Struct):
    """The result, in the order of the file."""

    url: Annotated[str, Meta(description="Link that needs no credentials")]
    content_type: str
    bytes: int
    expires_at: Annotated[str, Meta(description="When the link ends; ask for the job to get another one")]


class BatchJob(Struct):
    """A job: a file that is predicted."""

    id: str
    state: Annotated[
        Literal["waiting", "running", "completing", "succeeded", "failed", "cancelled"],
        Meta(description="waiting: for the upload; completing: can no longer be cancelled"),
    ]
    content_type: str
    accept: str
    outputs: Annotated[str, Meta(description="predictions or forecasts")]
    created_at: str
    expires_at: Annotated[str, Meta(description="When the job and its result are deleted")]
    progress: Annotated[float, Meta(ge=0, le=1, description="Share of the file that is answered")]
    rows: Annotated[int, Meta(ge=0, description="Rows that are written")]
    refused: Annotated[int, Meta(ge=0, description="Those of them without a prediction, whose error says why")]
    model: Annotated[ModelNames | None, Meta(description="Model of all predictions; null while waiting")]
    why: Annotated[str | None, Meta(description="Why the job failed")]
    upload: Annotated[BatchUpload | None, Meta(description="Given once, by the answer that made the job")]
    result: Annotated[BatchResult | None, Meta(description="Once the job has succeeded")]
