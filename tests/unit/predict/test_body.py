"""Bodies: media types, character sets, encodings."""

import base64
import importlib
import sys
from http import HTTPStatus
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "functions"


@pytest.fixture
def body(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("predict.transport.body")
    for name in [name for name in sys.modules if name == "predict" or name.startswith("predict.")]:
        del sys.modules[name]


def sent(**headers):
    event = {"headers": {name.replace("_", "-"): value for name, value in headers.items()}, "multiValueHeaders": None}
    return importlib.import_module("predict.transport.envelope").headers(event)


@pytest.mark.parametrize(
    ("announced", "kind"),
    [
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("APPLICATION/JSON ; Charset=UTF-8", "application/json"),
        ('text/csv;header=present; charset="utf-8"', "text/csv"),
        ("application/x-www-form-urlencoded", "application/json"),
        ("", "application/json"),
    ],
)
def test_media_types_have_no_case(body, announced, kind):
    assert body.media_type(sent(content_type=announced), (body.JSON, body.CSV)) == kind


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"content_type": "text/plain"}, "application/json"),
        ({"Content_Type": "application/json; charset=latin-1"}, "UTF-8"),
        ({"content_type": "application/json", "Content_Encoding": "gzip"}, "Content-Encoding: gzip"),
        ({"CONTENT_ENCODING": "deflate, br"}, "Content-Encoding: deflate, br"),
        ({"content_encoding": "x" * 50}, f"Content-Encoding: {'x' * 40} is"),
    ],
)
def test_what_is_not_read_is_named(body, headers, said):
    with pytest.raises(body.Refusal, match=said) as refused:
        body.media_type(sent(**headers))

    assert refused.value.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE


def test_an_identity_encoding_is_none(body):
    assert body.media_type(sent(content_encoding="Identity")) == body.JSON


@pytest.mark.parametrize(("raw", "text"), [("{}", "{}"), ("\ufeff{}", "{}"), (None, ""), ("é", "é")])
def test_a_byte_order_mark_is_no_text(body, raw, text):
    assert body.text({"body": raw}) == text


def test_base64_is_decoded(body):
    assert body.text({"body": base64.b64encode("\ufeffé".encode()).decode(), "isBase64Encoded": True}) == "é"


@pytest.mark.parametrize(
    "event",
    [
        {"body": "Gr\ufffd\ufffde"},
        {"body": "no base64", "isBase64Encoded": True},
        # Decoders skip what is no base64 unless they are told not to.
        {"body": base64.b64encode(b"{}").decode() + "!", "isBase64Encoded": True},
        {"body": base64.b64encode("é".encode("latin-1")).decode(), "isBase64Encoded": True},
    ],
)
def test_what_is_no_utf8_is_refused(body, event):
    with pytest.raises(body.Refusal, match="UTF-8") as refused:
        body.text(event)

    assert refused.value.status == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    ("headers", "binary"),
    [
        ({}, False),
        ({"content_type": "application/json", "accept": "application/json"}, False),
        ({"content_type": "Application/vnd.apache.parquet; x=y"}, True),
        ({"content_type": "application/vnd.apache.arrow.stream", "accept": "text/csv"}, True),
        ({"content_type": "application/vnd.apache.arrow.file"}, False),
        ({"accept": "application/vnd.apache.parquet;q=0.5, application/json"}, True),
        ({"accept": " Application/vnd.apache.arrow.stream "}, True),
        # API Gateway looks at the first alone.
        ({"accept": "application/json, application/vnd.apache.parquet"}, False),
    ],
)
def test_a_table_is_what_is_sent_or_asked_for_first(body, headers, binary):
    assert body.is_binary(sent(**headers)) is binary


def test_the_bytes_of_a_table_come_as_they_were_sent(body):
    table = bytes(range(256))
    event = {"body": base64.b64encode(table).decode(), "isBase64Encoded": True}

    assert body.raw(event) == table
    assert body.raw(event | {"body": None}) == b""


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"body": "PAR1", "isBase64Encoded": False}, "came as text"),
        ({"body": "PAR1\n!", "isBase64Encoded": True}, "not base64"),
    ],
)
def test_a_table_that_lost_bytes_is_refused(body, event, said):
    with pytest.raises(body.Refusal, match=said) as refused:
        body.raw(event)

    assert refused.value.status == HTTPStatus.BAD_REQUEST
