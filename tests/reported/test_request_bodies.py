"""Request bodies: what real clients write is read, and what cannot be read is refused with the reason."""

# aws/chalice#129: a media type is compared with its case
# open-constructs/cdk-serverless#379: headers of another case are not found
# mlflow/mlflow#24573, bentoml/BentoML#1015: a compressed body is taken for text
# awslabs/route53-dynamic-dns-with-lambda#54, MionKit/mion#269: a body in base64 that is none ends in a 500
# saml7n/parbaked#564, Kludex/fastapi-health#18: probes that ask with HEAD see a server that is down

import base64
import gzip
import json

import pytest

from support.predict_api import ACTIVITY, call, environment, proxy_event

INPUTS = [("start", "BYTES", "2022-03-01"), ("baseline_duration_days", "INT64", 30)]
BODIES = {
    "/predictions": ACTIVITY,
    "/invocations": {"dataframe_records": [ACTIVITY]},
    "/v2/models/slipcast/infer": {
        "inputs": [{"name": n, "datatype": d, "shape": [1], "data": [value]} for n, d, value in INPUTS]
    },
}


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


def post(app, target, raw=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(app, "POST", target, raw=json.dumps(BODIES[target]) if raw is None else raw, headers=headers)


@pytest.mark.parametrize("target", BODIES)
@pytest.mark.parametrize(
    "kind", ["Application/JSON", "APPLICATION/json;Charset=UTF-8", "application/json ; charset=utf8"]
)
def test_a_media_type_has_no_case(app, target, kind):
    assert post(app, target, Content_Type=kind).status == 200


@pytest.mark.parametrize("target", BODIES)
def test_a_byte_order_mark_is_not_part_of_the_body(app, target):
    assert post(app, target, raw="\ufeff" + json.dumps(BODIES[target], indent=1)).status == 200


@pytest.mark.parametrize("target", BODIES)
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "GZIP", "br, gzip"])
def test_an_encoding_is_named(app, target, encoding):
    mangled = gzip.compress(json.dumps(BODIES[target]).encode()).decode("utf-8", "replace")

    answer = post(app, target, raw=mangled, Content_Encoding=encoding)

    assert answer.status == 415
    assert "Content-Encoding" in answer.json()["detail"]


@pytest.mark.parametrize("target", BODIES)
@pytest.mark.parametrize("text", ["Größe", "Grüße", "Façade"])
def test_bytes_that_are_no_utf8_make_no_two_texts_one(app, target, text):
    raw = json.dumps(BODIES[target] | {"note": text}, ensure_ascii=False)

    answer = post(app, target, raw=raw.encode("latin-1").decode("utf-8", "replace"))

    assert answer.status == 400
    assert "UTF-8" in answer.json()["detail"]
    assert post(app, target, raw=raw).status == 200


@pytest.mark.parametrize("target", BODIES)
@pytest.mark.parametrize("raw", ["{}!", base64.b64encode("Größe".encode("latin-1")).decode(), "e30"])
def test_base64_that_is_none_is_no_failure_of_ours(app, lambda_context, target, raw):
    event = proxy_event("POST", target, body=raw, headers={"Content-Type": "application/json"})

    assert app.handler(event | {"isBase64Encoded": True}, lambda_context)["statusCode"] == 400


@pytest.mark.parametrize("digits", [401, 4_301, 100_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_any_length_is_json(app, digits, sign):
    raw = json.dumps(ACTIVITY)[:-1] + f', "total_float_days": {sign}{"9" * digits}}}'

    answer = post(app, "/predictions", raw=raw)

    assert answer.status == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["activities.0.total_float_days"]


@pytest.mark.parametrize("probe", ["/health", "/ping", "/version", "/v2/health/live", "/v2/health/ready"])
def test_probes_may_ask_with_head(app, probe):
    asked, got = call(app, "HEAD", probe), call(app, "GET", probe)

    assert (asked.status, asked.text) == (200, "")
    assert asked.headers.keys() == got.headers.keys()
    assert "HEAD" in call(app, "DELETE", probe).headers["allow"]


def test_head_is_not_for_what_needs_a_key(app):
    assert call(app, "HEAD", "/model").status == 405


@pytest.mark.parametrize("target", ["/invocations", "/v2/models/slipcast/infer"])
@pytest.mark.parametrize("body", [[], [ACTIVITY], "text", 7, None])
def test_a_body_of_another_shape_is_told_the_shape_of_this_path(app, target, body):
    answer = post(app, target, raw=json.dumps(body))

    assert answer.status == 400
    assert "activities" not in answer.json()["detail"]


@pytest.mark.parametrize("target", ["/predictions", "/forecasts"])
def test_a_line_that_is_no_json_is_named(app, target):
    raw = json.dumps(ACTIVITY) + "\r\n\n{'activity_id': 'A2'}\n"

    answer = call(app, "POST", target, raw=raw, headers={"Content-Type": "application/x-ndjson"})

    assert (answer.status, answer.json()["detail"][:19]) == (400, "line 3 is not JSON:")


@pytest.mark.parametrize("raw", ["[" * 100_000, '{"activities":' * 50_000 + "1" + "}" * 50_000])
def test_what_is_nested_too_deeply_is_not_called_no_json(app, raw):
    answer = call(app, "POST", "/predictions", raw=raw, headers={"Content-Type": "application/json"})

    assert answer.status == 400
    assert "nested too deeply" in answer.json()["detail"]


@pytest.mark.parametrize("target", ["/predictions", "/forecasts", "/invocations"])
@pytest.mark.parametrize("column", ["budget", "project_slip_days", "now_project_slip_days"])
def test_a_column_that_a_table_has_twice_is_refused(app, target, column):
    raw = f"activity_id,start,baseline_duration_days,{column},{column}\nA,2025-03-03,30,1,2\n"

    answer = call(app, "POST", target, raw=raw, headers={"Content-Type": "text/csv"})

    assert answer.status in (400, 422)
    assert f"{column} more than once" in answer.json()["detail"]


# What a day of traffic brings: each is answered, by no failure of ours, and every line of the log is strict JSON.
NUMBERS = ["1e308", "-1e308", "1e999", "-0.0", "NaN", "-Infinity", "9" * 400, "9" * 5000, "999999999999999.9", "5e-324"]
TEXTS = [
    '"\\ud800"',
    '"a\\u0000b"',
    '"a\x00b"',
    '"\u202eabc"',
    '"e\u0301\u0323"',
    '"a\\u2028b"',
    '"' + "x" * 3000 + '"',
]


@pytest.mark.parametrize("target", ["/predictions", "/forecasts"])
def test_hostile_values_are_taken_or_refused_and_leave_a_log_that_can_be_read(app, target, capsys):
    begun = json.dumps(ACTIVITY)[:-1]
    bodies = [f'{begun}, "{name}": {value}}}' for name in ("budget", "total_float_days") for value in NUMBERS]
    bodies += [f'{begun}, "history": {{"project_slip_days": {value}}}}}' for value in NUMBERS]
    bodies += [f'{begun}, "{name}": {value}}}' for name in ("activity_id", "phase") for value in TEXTS]

    found = [call(app, "POST", target, raw=raw, headers={"Content-Type": "application/json"}) for raw in bodies]

    assert {answer.status for answer in found} == {200, 400, 422}
    for answer in found:
        json.loads(answer.text, parse_constant=pytest.fail)
    for line in capsys.readouterr().out.splitlines():
        assert line.isascii()
        json.loads(line, parse_constant=pytest.fail)


def test_what_is_no_number_is_not_called_too_large(app):
    raw = json.dumps(ACTIVITY)[:-1] + ', "budget": NaN}'

    answer = call(app, "POST", "/predictions", raw=raw, headers={"Content-Type": "application/json"})

    assert (answer.status, answer.json()["errors"][0]["type"]) == (422, "float_type")
