"""A sign-in page as Cognito serves it: authorization code with PKCE, refresh and revocation, over HTTP.

It answers at the endpoints that Cognito's discovery document names below the domain of a user pool, and at no other
(https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html).
"""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT = "7ex4mpl3cl13nt"


def encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


class SignInPage:
    """The page of a user pool in which one person is signed in.

    Parameters
    ----------
    callback
        the address that the app client allows
    groups
        groups of the person
    """

    def __init__(self, callback: str, groups: Sequence[str]) -> None:
        self.callback, self.groups = callback, list(groups)
        # Tokens that the API takes; refresh tokens that are not revoked.
        self.tokens: set[str] = set()
        self.refresh: set[str] = set()
        self.asked: list[str] = []
        self.codes: dict[str, str] = {}
        handler = type("Handler", (_Handler,), {"page": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "SignInPage":
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def discovery(self) -> dict[str, Any]:
        """The document at ``/.well-known/openid-configuration`` of the issuer."""
        issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Example1"
        return {
            "authorization_endpoint": f"{self.url}/oauth2/authorize",
            "end_session_endpoint": f"{self.url}/logout",
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": issuer,
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "response_types_supported": ["code", "token"],
            "revocation_endpoint": f"{self.url}/oauth2/revoke",
            "scopes_supported": ["openid", "email", "phone", "profile"],
            "subject_types_supported": ["public"],
            "token_endpoint": f"{self.url}/oauth2/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "userinfo_endpoint": f"{self.url}/oauth2/userInfo",
        }

    def issued(self) -> dict[str, Any]:
        """Return new tokens, of which the API takes the identity token."""
        claims = {"sub": "u-1", "email": "ann@example.com", "cognito:groups": self.groups, "token_use": "id"}
        token = f"{encoded({'alg': 'RS256'})}.{encoded({**claims, 'jti': secrets.token_hex(4)})}.c2ln"
        self.tokens.add(token)
        return {"id_token": token, "access_token": "a.b.c", "expires_in": 3600, "token_type": "Bearer"}


class _Handler(BaseHTTPRequestHandler):
    page: SignInPage
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.page.asked.append(address.path)
        match f"{self.page.url}{address.path}":
            case place if place == self.page.discovery["authorization_endpoint"]:
                known = (asked["client_id"], asked["redirect_uri"], asked["response_type"]) == (
                    *(CLIENT, self.page.callback),
                    "code",
                )
                if not known or asked.get("code_challenge_method") != "S256":
                    return self._send(400, {"error": "invalid_request"})
                code = secrets.token_urlsafe(8)
                self.page.codes[code] = asked["code_challenge"]
                place = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
                return self._send(302, None, Location=place)
            case place if place == self.page.discovery["end_session_endpoint"]:
                return self._send(302, None, Location=asked["logout_uri"])
        return self._send(404, None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        place = f"{self.page.url}{self.path}"
        self.page.asked.append(f"{self.path} {sent.get('grant_type', '')}".strip())
        if sent.get("client_id") != CLIENT:
            return self._send(400, {"error": "invalid_client"})
        if place == self.page.discovery["revocation_endpoint"]:
            self.page.refresh.discard(sent["token"])
            return self._send(200, None)
        if place != self.page.discovery["token_endpoint"]:
            return self._send(404, None)
        if sent["grant_type"] == "authorization_code":
            digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
            challenge = self.page.codes.pop(sent["code"], None)
            proven = challenge == base64.urlsafe_b64encode(digest).decode().rstrip("=")
            if not proven or sent.get("redirect_uri") != self.page.callback:
                return self._send(400, {"error": "invalid_grant"})
            refresh = secrets.token_urlsafe(8)
            self.page.refresh.add(refresh)
            return self._send(200, {**self.page.issued(), "refresh_token": refresh})
        if sent["grant_type"] == "refresh_token" and sent["refresh_token"] in self.page.refresh:
            # Without rotation the answer has no refresh token.
            return self._send(200, self.page.issued())
        return self._send(400, {"error": "invalid_grant"})

    def _send(self, status: int, document: Any, **headers: str) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {
            **{"Content-Type": "application/json", "Content-Length": str(len(body))},
            **{"Access-Control-Allow-Origin": "*", **headers},
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the output of tests to themselves."""
