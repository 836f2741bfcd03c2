"""Tokens of the ministry's sign-on: what is taken, and many ways to forge one that are not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from selectivity.errors import ParamsError
from serving.callers.tokens import read_key_set
from tests.services import a_service, bearer, lodged

OURS = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
THEIRS = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
CURVE = ec.derive_private_key(12345, ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
RAW = OURS.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
PEM = OURS.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
NOW = int(time.time())
CLAIMS: dict[str, Any] = {
    "iss": "https://login.customs.example",
    "aud": "lanes",
    "sub": "centre-1",
    "exp": NOW + 3_000,
    "roles": ["scorer", "auditor", "unheard-of"],
}


def public(key: Any, **fields: Any) -> dict[str, Any]:
    """A public key as it stands in a key set."""
    algorithm: Any = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else OKPAlgorithm
    return json.loads(algorithm.to_jwk(key.public_key())) | {"kid": "k1"} | fields


def key_set(file: Path, *keys: dict[str, Any]) -> Path:
    file.write_text(json.dumps({"keys": keys}))
    return file


def token(key: Any = OURS, algorithm: str = "EdDSA", headers: Any = None, **claims: Any) -> str:
    """A token that is taken, unless said otherwise; a claim given as None is left out."""
    said = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(said, key, algorithm=algorithm, headers={"kid": "k1"} | (headers or {}))


def coded(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def made(header: Any, claims: Any = CLAIMS, sign: Callable[[bytes], bytes] = OURS.sign) -> str:
    """A token put together by hand, with any header, signed by any means."""
    signed = f"{coded(header)}.{coded(claims)}"
    return f"{signed}.{coded(sign(signed.encode()))}"


def hmac_with(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda signed: hmac.digest(secret, signed, hashlib.sha256)


GOOD = {"alg": "EdDSA", "kid": "k1"}
HEAD, BODY, SIGNATURE = token().split(".")
FORGED = {
    "none": made({"alg": "none", "kid": "k1"}, sign=lambda _: b""),
    "None": made({"alg": "None", "kid": "k1"}, sign=lambda _: b""),
    "nOnE": made({"alg": "nOnE", "kid": "k1"}, sign=lambda _: b""),
    "none with our signature": made({"alg": "none", "kid": "k1"}),
    "no alg": made({"kid": "k1"}),
    "alg null": made(GOOD | {"alg": None}),
    "alg a list": made(GOOD | {"alg": ["EdDSA"]}),
    "alg a number": made(GOOD | {"alg": 0}),
    "alg eddsa": made(GOOD | {"alg": "eddsa"}),
    "alg with a blank": made(GOOD | {"alg": "EdDSA "}),
    "HS256 with the raw public key": made(GOOD | {"alg": "HS256"}, sign=hmac_with(RAW)),
    "HS256 with the PEM": made(GOOD | {"alg": "HS256"}, sign=hmac_with(PEM)),
    "HS256 with the JWK": made(
        GOOD | {"alg": "HS256"}, sign=hmac_with(json.dumps(public(OURS)).encode())
    ),
    "HS256 with nothing": made(GOOD | {"alg": "HS256"}, sign=hmac_with(b"")),
    "HS512": made(GOOD | {"alg": "HS512"}, sign=hmac_with(RAW)),
    "HS256 named EdDSA": made(GOOD, sign=hmac_with(RAW)),
    "RS256": token(RSA, "RS256"),
    "PS256": token(RSA, "PS256"),
    "ES256": token(CURVE, "ES256"),
    "another key": token(THEIRS),
    "another key by its own kid": token(THEIRS, headers={"kid": "k2"}),
    "its key in jwk": token(THEIRS, headers={"jwk": public(THEIRS)}),
    "our key in jwk": token(headers={"jwk": public(OURS)}),
    "its keys at jku": token(THEIRS, headers={"jku": "https://evil.example/keys"}),
    "our token with jku": token(headers={"jku": "https://evil.example/keys"}),
    "x5u": token(headers={"x5u": "https://evil.example/cert"}),
    "x5c": token(headers={"x5c": ["MII="]}),
    "x5t": token(headers={"x5t": "abc"}),
    "crit": made(GOOD | {"crit": ["exp"], "exp": NOW + 9}),
    "crit empty": made(GOOD | {"crit": []}),
    "b64 false": made(GOOD | {"b64": False}),
    "zip": made(GOOD | {"zip": "DEF"}),
    "cty": made(GOOD | {"cty": "JWT"}),
    "typ of another kind": token(headers={"typ": "id+jwt"}),
    "no kid": made({"alg": "EdDSA"}),
    "kid unknown": token(headers={"kid": "k9"}),
    "kid empty": token(headers={"kid": ""}),
    "kid a path": token(headers={"kid": "../../../dev/null"}),
    "kid of SQL": token(headers={"kid": "' OR 1=1 --"}),
    "kid a list": made(GOOD | {"kid": ["k1"]}),
    "kid an object": made(GOOD | {"kid": {"k1": 1}}),
    "expired": token(exp=NOW - 3_600),
    "expired just beyond the leeway": token(exp=NOW - 31),
    "without exp": token(exp=None),
    "exp a text": made(GOOD, CLAIMS | {"exp": "never"}),
    "exp a number in quotes": made(GOOD, CLAIMS | {"exp": str(NOW + 9)}),
    "exp true": made(GOOD, CLAIMS | {"exp": True}),
    "exp infinite": made(GOOD, CLAIMS | {"exp": float("inf")}),
    "exp not a number": made(GOOD, CLAIMS | {"exp": float("nan")}),
    "exp in a year": token(exp=NOW + 31_536_000),
    "not before tomorrow": token(nbf=NOW + 80_000),
    "without aud": token(aud=None),
    "aud of another": token(aud="mail"),
    "aud that begins alike": token(aud="lanes2"),
    "aud a list of others": token(aud=["mail", "files"]),
    "aud an object": made(GOOD, CLAIMS | {"aud": {"lanes": 1}}),
    "without iss": token(iss=None),
    "iss of another": token(iss="https://evil.example"),
    "iss with a slash": token(iss=CLAIMS["iss"] + "/"),
    "iss a list": made(GOOD, CLAIMS | {"iss": [CLAIMS["iss"]]}),
    "without sub": token(sub=None),
    "sub empty": token(sub=""),
    "sub of two lines": token(sub="a\nb"),
    "sub a number": made(GOOD, CLAIMS | {"sub": 7}),
    "sub too long": token(sub="x" * 71),
    "office that is none": token(office="<x>"),
    "roles a number": made(GOOD, CLAIMS | {"roles": 7}),
    "claims a list": made(GOOD, [CLAIMS]),
    "claims no JSON": made(GOOD, b"{"),
    "header a list": made([GOOD]),
    "header no JSON": made(b"{"),
    "header deep": made(b"[" * 3_000),
    "claims altered": f"{HEAD}.{coded(CLAIMS | {'roles': ['admin']})}.{SIGNATURE}",
    "header altered": f"{coded(GOOD | {'typ': 'at+jwt'})}.{BODY}.{SIGNATURE}",
    "signature cut": f"{HEAD}.{BODY}.{SIGNATURE[:-2]}",
    "signature of zeros": f"{HEAD}.{BODY}.{coded(bytes(64))}",
    "no signature": f"{HEAD}.{BODY}.",
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{HEAD}.{BODY}.{SIGNATURE}.x",
    "encrypted form": f"{HEAD}.{BODY}.{SIGNATURE}.x.y",
    "padded": f"{HEAD}=.{BODY}.{SIGNATURE}",
    "very long": token(filler="x" * 8_000),
    "nothing": "..",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that takes tokens."""
    folder = tmp_path_factory.mktemp("tokens")
    keys = key_set(folder / "keys.json.public", public(OURS))
    named = {"jwt_issuer": CLAIMS["iss"], "jwt_audience": CLAIMS["aud"]}
    with a_service(folder, jwt_keys=keys, **named) as client:
        yield client


@pytest.mark.parametrize("forged", FORGED.values(), ids=list(FORGED))
def test_a_forged_token_opens_nothing(client: httpx.Client, forged: str) -> None:
    answer = client.post("/v1/lanes", json=lodged(), headers=bearer(forged))
    assert answer.status_code == 401, answer.text
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    "good",
    [
        token(),
        token(headers={"typ": "at+jwt"}),
        token(aud=["mail", "lanes"]),
        token(roles="scorer"),
        made(GOOD),
    ],
)
def test_a_proper_token_is_let_in(client: httpx.Client, good: str) -> None:
    assert client.post("/v1/lanes", json=lodged(), headers=bearer(good)).status_code == 200


def test_keys_that_hold_on_for_want_of_a_file_are_told(tmp_path: Path) -> None:
    keys = key_set(tmp_path / "keys.json.public", public(OURS))
    named = {"jwt_issuer": CLAIMS["iss"], "jwt_audience": CLAIMS["aud"]}
    with a_service(tmp_path, jwt_keys=keys, **named) as client:

        def told() -> tuple[str, int, bool]:
            ready = client.get("/health/ready")
            measured = "lanes_keys_outdated 1.0" in client.get("/metrics").text
            return ready.json()["keys"], ready.status_code, measured

        assert told() == ("ok", 200, False)
        kept = keys.read_text()
        keys.write_text("damaged")
        assert told() == ("outdated", 200, True)
        assert client.post("/v1/lanes", json=lodged(), headers=bearer(token())).status_code == 200
        keys.write_text(kept)
        assert told() == ("ok", 200, False)
        (tmp_path / "keys.json").chmod(0o644)
        assert told() == ("outdated", 200, True)


def test_clocks_may_differ_by_some_seconds(client: httpx.Client) -> None:
    just_expired = token(exp=int(time.time()) - 5)
    assert client.post("/v1/lanes", json=lodged(), headers=bearer(just_expired)).status_code == 200


@pytest.mark.parametrize("roles", [[], ["unheard-of"], ["inspector"], "scorers", None])
def test_a_token_without_the_role_is_known_and_refused(client: httpx.Client, roles: Any) -> None:
    answer = client.post("/v1/lanes", json=lodged(), headers=bearer(token(roles=roles)))
    assert answer.status_code == 403


def test_keys_go_on_to_open_what_they_open(client: httpx.Client) -> None:
    assert client.post("/v1/lanes", json=lodged()).status_code == 200


def test_who_has_a_token_is_named_in_what_is_kept(client: httpx.Client) -> None:
    client.post("/v1/lanes", json=lodged(declaration_id="T-1"))
    body = {"declaration_id": "T-1", "version_no": 1, "to_lane": "RED", "reason_code": "SEAL"}
    officer = bearer(token(sub="an.nguyen", roles=["inspector"], office="OFF01"))
    elsewhere = bearer(token(sub="an.nguyen", roles=["inspector"], office="OFF02"))
    assert client.post("/v1/overrides", json=body, headers=elsewhere).status_code == 403
    made_by = client.post("/v1/overrides", json=body, headers=officer).json()["requested_by"]
    assert made_by == "jwt:an.nguyen"


def test_roles_of_the_sign_on_are_translated(tmp_path: Path) -> None:
    keys = key_set(tmp_path / "public.json", public(CURVE))
    named = {"jwt_issuer": CLAIMS["iss"], "jwt_audience": "lanes", "jwt_roles_claim": "groups"}
    with a_service(tmp_path, jwt_keys=keys, jwt_roles={"data-centre": "scorer"}, **named) as client:
        sent = token(CURVE, "ES256", groups=["data-centre"])
        ours = token(CURVE, "ES256", groups=["scorer"])
        assert client.post("/v1/lanes", json=lodged(), headers=bearer(sent)).status_code == 200
        assert client.post("/v1/lanes", json=lodged(), headers=bearer(ours)).status_code == 403


def test_a_key_taken_out_of_the_set_opens_nothing_at_once(tmp_path: Path) -> None:
    keys = key_set(tmp_path / "public.json", public(OURS))
    named = {"jwt_issuer": CLAIMS["iss"], "jwt_audience": CLAIMS["aud"]}
    with a_service(tmp_path, jwt_keys=keys, **named) as client:
        before = client.post("/v1/lanes", json=lodged(), headers=bearer(token()))
        key_set(keys, public(THEIRS, kid="k2"))
        after = client.post("/v1/lanes", json=lodged(), headers=bearer(token()))
        new = token(THEIRS, headers={"kid": "k2"})
        successor = client.post("/v1/lanes", json=lodged(), headers=bearer(new))
    statuses = (before.status_code, after.status_code, successor.status_code)
    assert statuses == (200, 401, 200)


def test_without_a_key_set_no_token_is_taken(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        assert client.get("/metrics", headers=bearer(token())).status_code == 401


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([], "one algorithm"),
        ([public(OURS), public(CURVE, kid="k2")], "one algorithm"),
        ([public(OURS), public(THEIRS)], "same kid"),
        ([public(OURS, kid=None)], "without kid"),
        ([public(OURS, d="AAAA")], "private or shared"),
        ([{"kty": "oct", "k": "AAAA", "kid": "k1"}], "private or shared"),
        ([{"kty": "OKP", "kid": "k1"}], "no set of public keys"),
        ([7], "no set of public keys"),
    ],
)
def test_a_key_set_that_cannot_be_used_is_refused(
    tmp_path: Path, keys: list[Any], said: str
) -> None:
    with pytest.raises(ParamsError, match=said):
        read_key_set(key_set(tmp_path / "keys.json", *keys))


def test_a_key_set_of_rsa_keys_or_of_nothing_is_refused(tmp_path: Path) -> None:
    numbers = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "k1"}
    for content in (json.dumps({"keys": [numbers]}), "{}", "[]", "", "{"):
        (tmp_path / "keys.json").write_text(content)
        with pytest.raises(ParamsError):
            read_key_set(tmp_path / "keys.json")
    with pytest.raises(ParamsError, match="cannot be read"):
        read_key_set(tmp_path / "absent.json")
