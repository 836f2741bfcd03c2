"""Keyed draws: random to everyone outside, repeatable by whoever holds the key."""

import hashlib
import hmac
from functools import lru_cache


def draw(key: bytes, lineage_id: str, purpose: str) -> float:
    """A number in [0, 1) that depends on nothing but the key, the lineage and the purpose.

    Amendments share their lineage, so a trader cannot draw again by amending. Draws for
    different purposes are independent.
    """
    keyed = _keyed(key).copy()
    keyed.update(f"{purpose}\x1f{lineage_id}".encode())
    return int.from_bytes(keyed.digest()[:7], "big") / (1 << 56)


@lru_cache(maxsize=8)
def _keyed(key: bytes) -> hmac.HMAC:
    """Taking the key in is half of a draw, and the key is always the same."""
    return hmac.new(key, digestmod="sha256")


def draw_key_id(key: bytes) -> str:
    """Names a key without giving it away."""
    return hashlib.sha256(b"draw-key\x1f" + key).hexdigest()[:12]
