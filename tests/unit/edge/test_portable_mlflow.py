"""The portable bundle as an MLflow model that takes activities, loaded by MLflow itself."""

import json
import sys

import mlflow
import pandas as pd
import pytest

from slipcast.edge import portable
from slipcast_host import engine
from support import portable_bundle

# MLflow warns of its own type hints while it is imported, and that optional columns are absent.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return portable_bundle.unpack(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def model(folder):
    """The model; MLflow leaves its code importable, where ``score`` would stand before the function of that name."""
    path = list(sys.path)
    yield mlflow.pyfunc.load_model(str(folder))
    sys.path[:] = path
    for name in [name for name, module in sys.modules.items() if str(folder) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


def test_the_signature_has_the_hosts_answers():
    assert portable.OUTPUTS == engine.JUDGED
    assert portable.FORECAST_OUTPUTS == engine.FORECAST_OUTPUTS


def test_mlflow_gives_the_known_answers_for_activities(model, folder):
    golden = json.loads((folder / "golden.json").read_bytes())
    rows = [{**{k: v for k, v in item.items() if k != "history"}, **item["history"]} for item in golden["activities"]]

    found = model.predict(pd.DataFrame(rows, index=range(100, 100 + len(rows))))

    assert found["probability"].tolist() == pytest.approx(golden["scores"], abs=1e-12)
    assert found.index[0] == 100
    assert [*found.columns] == model.metadata.signature.outputs.input_names()


def test_a_frame_as_pandas_reads_it_is_taken(model):
    """Whole numbers, times, missing values and few columns."""
    frame = pd.DataFrame(
        {
            "start": pd.to_datetime(["2022-03-01", "2022-03-02"]).strftime("%Y-%m-%d"),
            "baseline_duration_days": [10, 400],
            "budget": [1.5, None],
            "data_date": ["2022-02-01", "2022-02-01"],
        }
    )

    found = model.predict(frame)

    assert found["stage"].tolist() == ["not_started", "not_started"]
    assert found["activity_id"].tolist() == ["0", "1"]


def test_a_wrong_value_is_named(model):
    with pytest.raises(Exception, match=r"start\[0\]"):
        model.predict(pd.DataFrame({"start": ["yesterday"], "baseline_duration_days": [3]}))


def test_the_input_example_is_one_that_works(model, folder):
    example = model.input_example

    assert example["activity_id"].tolist() == ["A0"]
    assert len(model.predict(example)) == 1
    assert json.loads((folder / "serving_input_example.json").read_bytes())["dataframe_split"]["columns"]
