"""The host's HTTP server: what clients on the network send, and how it stops."""

import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from slipcast_host import server
from slipcast_host.application import Application
from slipcast_host.exchange import Reply


class Echo(Application):
    """Answers with what it got; takes its time where a test wants that."""

    def __init__(self):
        super().__init__(lambda: None, {}, lambda line: None)
        self.entered, self.go_on = threading.Event(), threading.Event()

    def answer(self, method, target, headers, body):
        if target == "/slow":
            self.entered.set()
            assert self.go_on.wait(180)
        return Reply(
            json.dumps([method, target, headers.get("x-a", ""), len(body)]).encode(), headers={"X-Request-Id": "1"}
        )


@contextmanager
def running(application):
    found = server.Server(application, "127.0.0.1", 0)
    thread = threading.Thread(target=found.serve, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        application.go_on.set()
        found.stop()
        thread.join(180)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def host():
    with running(Echo()) as found:
        yield found


def talk(host, *parts, answers=1):
    """Send parts and return what came back until the connection closes or so many answers are there."""
    with socket.create_connection(("127.0.0.1", host.port), timeout=180) as connection:
        received = b""
        for part in parts:
            connection.sendall(part)
        while received.count(b"HTTP/1.1 ") - received.count(b"100 Continue") < answers or not received.endswith(
            (b"]", b"}", b"\r\n\r\n")
        ):
            some = connection.recv(65536)
            if not some:
                break
            received += some
        return received


def request(line="POST /x HTTP/1.1", *headers, body=b""):
    return "\r\n".join((line, "Host: h", *headers, "", "")).encode() + body


def test_two_requests_share_a_connection(host):
    both = request("GET /a HTTP/1.1", "X-A: 1") + request("POST /b HTTP/1.1", "Content-Length: 3", body=b"abc")

    found = talk(host, both[:30], both[30:], answers=2)

    assert b'["GET", "/a", "1", 0]' in found
    assert b'["POST", "/b", "", 3]' in found
    assert found.count(b"Connection: keep-alive") == 2


@pytest.mark.parametrize("headers", [("Connection: close",), ("Connection: Keep-Alive, close",)])
def test_a_connection_closes_on_demand(host, headers):
    found = talk(host, request("GET /a HTTP/1.1", *headers), answers=9)

    assert b"Connection: close" in found


def test_http_1_0_closes_by_itself(host):
    assert b"Connection: close" in talk(host, request("GET /a HTTP/1.0"), answers=9)


def test_a_body_may_come_in_chunks(host):
    head = request("POST /x HTTP/1.1", "Transfer-Encoding: chunked")

    found = talk(host, head, b"3\r\nabc\r\n", b"0A;name=1\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n")

    assert found.endswith(b'["POST", "/x", "", 13]')


def test_a_client_that_asks_first_is_told_to_continue(host):
    found = talk(host, request("POST /x HTTP/1.1", "Content-Length: 2", "Expect: 100-continue"), b"{}")

    assert found.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_head_has_no_body(host):
    found = talk(host, request("HEAD /ping HTTP/1.1", "Connection: close"), answers=9)

    assert found.endswith(b"\r\n\r\n")
    assert b"Content-Length: 24" in found


TOO_LARGE = str(server.MAX_BODY + 1)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("POST /x HTTP/1.1", f"Content-Length: {TOO_LARGE}"), b"413"),
        (request("POST /x HTTP/1.1", "Content-Length: " + "9" * 5000), b"413"),
        (request("POST /x HTTP/1.1", "Content-Length: -1"), b"400"),
        (request("POST /x HTTP/1.1", "Content-Length: ²"), b"400"),
        (request("POST /x HTTP/1.1", "Content-Length: 1", "Content-Length: 2"), b"400"),
        (request("POST /x HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked"), b"400"),
        (request("POST /x HTTP/1.1", "Transfer-Encoding: gzip"), b"501"),
        (request("POST /x HTTP/1.1", "Transfer-Encoding: chunked", body=b"xyz\r\n"), b"400"),
        (request("POST /x HTTP/1.1", "Transfer-Encoding: chunked", body=b"-3\r\nabc"), b"400"),
        (request("POST /x HTTP/1.1", "Transfer-Encoding: chunked", body=b"2\r\nabcd\r\n"), b"400"),
        (request("POST /x HTTP/1.1", "Transfer-Encoding: chunked", body=b"fffffffff\r\n"), b"413"),
        (request("GET /x"), b"400"),
        (request("GET /x y HTTP/1.1"), b"400"),
        (request("G\x00T /x HTTP/1.1"), b"400"),
        (request("GET /x HTTP/1.1", "No colon"), b"400"),
        (request("GET /x HTTP/1.1", "Name : 1"), b"400"),
        (b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * (2 * server.MAX_HEAD), b"431"),
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_closed(host, sent, status):
    found = talk(host, sent, answers=9)

    assert found.startswith(b"HTTP/1.1 " + status + b" ")
    assert b"Connection: close" in found
    assert b"Traceback" not in found


def test_a_client_that_leaves_harms_nobody(host):
    for part in (b"", b"GET", request("POST /x HTTP/1.1", "Content-Length: 10", body=b"abc")):
        with socket.create_connection(("127.0.0.1", host.port), timeout=180) as connection:
            connection.sendall(part)

    assert b"200 OK" in talk(host, request("GET /a HTTP/1.1"))


def test_a_request_that_was_begun_is_answered_before_the_end():
    application = Echo()
    with running(application) as host, socket.create_connection(("127.0.0.1", host.port), timeout=180) as connection:
        connection.sendall(request("GET /slow HTTP/1.1"))
        assert application.entered.wait(180)
        stopping = threading.Thread(target=host.stop)
        stopping.start()
        deadline = time.monotonic() + 180
        while True:
            try:
                socket.create_connection(("127.0.0.1", host.port), timeout=1).close()
            except OSError:
                break
            assert time.monotonic() < deadline
        application.go_on.set()
        stopping.join(180)

        assert b"200 OK" in connection.recv(65536)
