import hashlib

import pytest

from slipcast.model.artifact import FORMAT, FORMAT_VERSION, ArtifactError, decode, digest, encode

MINIMAL = {"format": FORMAT, "format_version": FORMAT_VERSION, "model": {"kind": "linear"}}


def test_digest_is_the_sha256_of_the_bytes():
    assert digest(b"slipcast") == hashlib.sha256(b"slipcast").hexdigest()


def test_encode_does_not_depend_on_the_order_of_keys():
    assert encode({"b": 1.5, "a": {"d": "é", "c": None}}) == b'{"a":{"c":null,"d":"\\u00e9"},"b":1.5}'


def test_every_float_survives():
    numbers = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0]
    raw = encode({**MINIMAL, "numbers": numbers})
    assert [number.hex() for number in decode(raw, digest(raw))["numbers"]] == [number.hex() for number in numbers]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_encode_refuses_what_json_cannot_express(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"value": value})


def test_decode_returns_the_document_when_the_digest_is_right_in_either_case():
    raw = encode(MINIMAL)
    assert decode(raw, digest(raw)) == decode(raw, digest(raw).upper()) == MINIMAL


@pytest.mark.parametrize("change", [b" ", b"\n"])
def test_decode_refuses_bytes_that_differ_even_if_the_document_does_not(change):
    raw = encode(MINIMAL)
    with pytest.raises(ArtifactError, match="SHA-256"):
        decode(raw + change, digest(raw))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"not json", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a slipcast-model"),
        (encode({**MINIMAL, "format": "pickle"}), "not a slipcast-model"),
        (encode({**MINIMAL, "format_version": 3}), "format version 3, this reader knows 1 and 2"),
        (encode({**MINIMAL, "format_version": None}), "format version None"),
        (encode({**MINIMAL, "model": {"kind": "svm"}}), "unknown kind 'svm'"),
        (encode({**MINIMAL, "model": None}), "unknown kind None"),
    ],
)
def test_decode_says_what_it_cannot_read(raw, message):
    with pytest.raises(ArtifactError, match=message):
        decode(raw, digest(raw))


def test_decode_reads_the_format_of_the_release_before():
    older = {**MINIMAL, "format_version": 1}
    raw = encode(older)
    assert decode(raw, digest(raw)) == older
