"""Objects in S3 by their URI: what is written comes back, what was changed does not."""

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.stub import Stubber

from slipcast_aws import storage
from slipcast_aws.tracking import outbox


@pytest.fixture
def s3(s3):
    s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    return s3


@pytest.mark.parametrize("uri", ["data/key", "s3://data", "s3://data/", "s3:///key", "https://data/key", ""])
def test_what_is_no_uri_is_refused(uri):
    with pytest.raises(ValueError, match="is not an s3://bucket/key URI"):
        storage.split_uri(uri)


def test_a_key_keeps_slashes_blanks_and_umlauts(s3):
    storage.write_bytes("s3://data/a/b c+ü.csv", b"rows")

    assert storage.split_uri("s3://data/a/b c+ü.csv") == ("data", "a/b c+ü.csv")
    assert storage.read_bytes("s3://data/a/b c+ü.csv") == b"rows"
    assert list(storage.list_uris("s3://data/a/")) == ["s3://data/a/b c+ü.csv"]


def test_bytes_are_read_with_the_digest_they_were_written_with(s3):
    digest = storage.write_bytes("s3://data/model", b"model", "text/plain")

    assert digest == hashlib.sha256(b"model").hexdigest()
    assert storage.read_bytes("s3://data/model", sha256=digest) == b"model"
    assert s3.head_object(Bucket="data", Key="model")["ContentType"] == "text/plain"


def test_other_bytes_than_the_recorded_ones_are_not_returned(s3):
    digest = storage.write_bytes("s3://data/model", b"model")
    s3.put_object(Bucket="data", Key="model", Body=b"modeL")

    with pytest.raises(storage.DigestMismatchError, match=f"s3://data/model has SHA-256 .*{digest} was recorded"):
        storage.read_bytes("s3://data/model", sha256=digest)


def test_an_older_version_can_be_read(s3):
    first = s3.put_object(Bucket="data", Key="k", Body=b"first")["VersionId"]
    s3.put_object(Bucket="data", Key="k", Body=b"second")

    assert storage.read_bytes("s3://data/k", version_id=first) == b"first"
    assert storage.read_bytes("s3://data/k") == b"second"


def test_json_is_the_same_bytes_for_the_same_document(s3):
    one = storage.write_json("s3://data/one.json", {"b": [1, 2.5], "a": None})
    other = storage.write_json("s3://data/other.json", {"a": None, "b": [1, 2.5]})

    assert one == other
    assert storage.read_json("s3://data/one.json", sha256=one) == {"a": None, "b": [1, 2.5]}
    assert s3.head_object(Bucket="data", Key="one.json")["ContentType"] == "application/json"
    with pytest.raises(storage.DigestMismatchError):
        storage.read_json("s3://data/one.json", sha256="0" * 64)


def test_not_a_number_is_no_json(s3):
    with pytest.raises(ValueError, match="JSON compliant"):
        storage.write_json("s3://data/bad.json", {"auc": float("nan")})

    assert not storage.exists("s3://data/bad.json")


def test_an_object_is_there_until_it_is_deleted(s3):
    assert not storage.exists("s3://data/k")

    storage.write_bytes("s3://data/k", b"")
    assert storage.exists("s3://data/k")

    storage.delete("s3://data/k")
    assert not storage.exists("s3://data/k")
    with pytest.raises(ClientError, match="NoSuchKey"):
        storage.read_bytes("s3://data/k")


def test_what_only_begins_alike_is_not_there(s3):
    storage.write_bytes("s3://data/k.json", b"")

    assert not storage.exists("s3://data/k")


def test_a_forbidden_look_is_no_absence(s3):
    with Stubber(storage.client()) as stub:
        stub.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
        with pytest.raises(ClientError, match="AccessDenied"):
            storage.exists("s3://data/k")


@pytest.mark.parametrize("ask", [storage.modified, storage.read_bytes])
def test_what_is_not_there_has_one_error(s3, ask):
    with pytest.raises(s3.exceptions.NoSuchKey) as raised:
        ask("s3://data/incoming/never-uploaded.csv")
    # The name of the type is what Lambda hands to the state machine.
    assert type(raised.value).__name__ == "NoSuchKey"


def test_more_than_a_page_is_listed_in_key_order(s3):
    names = [f"list/{number:04}" for number in range(1005)]
    for name in [*reversed(names), "other/0"]:
        s3.put_object(Bucket="data", Key=name, Body=b"")

    assert list(storage.list_uris("s3://data/list/")) == [f"s3://data/{name}" for name in names]


def test_the_outbox_gives_its_records_in_the_order_of_their_names(s3):
    outbox.put("data", "e-2-release", {"kind": "release"})
    outbox.put("data", "e-1-run", {"kind": "old"})
    outbox.put("data", "e-1-run", {"kind": "run"})

    assert list(outbox.pending("data")) == [
        ("s3://data/tracking/pending/e-1-run.json", {"kind": "run"}),
        ("s3://data/tracking/pending/e-2-release.json", {"kind": "release"}),
    ]
    raw = s3.get_object(Bucket="data", Key="tracking/pending/e-1-run.json")["Body"].read()
    assert json.loads(raw) == {"kind": "run"}


@contextmanager
def sending(body: bytes, length: int, stall: Event | None = None) -> Iterator[str]:
    """An S3 that promises `length` bytes, sends `body`, and then stalls or hangs up; its URL."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + body)
            if stall:
                stall.wait(120)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            if stall:
                stall.set()
            thread.join()


@pytest.mark.fault(
    "pipeline",
    "the bytes of an object on their way",
    "they stop in the middle: the connection is cut, or nothing comes any more",
    "an error, never a part of the object",
)
@pytest.mark.parametrize("stalls", [False, True])
def test_half_an_object_is_no_object(aws_environment, monkeypatch, stalls):
    with sending(b"x" * 50, 100, Event() if stalls else None) as url:
        config = Config(read_timeout=0.5, retries={"total_max_attempts": 1})
        client = boto3.client("s3", endpoint_url=url, config=config)
        monkeypatch.setattr(storage, "client", lambda: client)

        with pytest.raises(BotoCoreError, match=r"timeout|ncomplete|bytes"):
            storage.read_bytes("s3://data/some/object")
        client.close()
