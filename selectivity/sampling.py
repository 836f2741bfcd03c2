"""Keyed draws: random to everyone outside, repeatable by whoever holds the key."""

import hashlib
import hmac


def draw(key: bytes, lineage_id: str, purpose: str) -> float:
    """A number in [0, 1) that depends on nothing but the key, the lineage and the purpose.

    Amendments share their lineage, so a trader cannot draw again by amending. Draws for
    different purposes are independent.
    """
    message = f"{purpose}\x1f{lineage_id}".encode()
    digest = hmac.digest(key, message, "sha256")
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def key_id(key: bytes) -> str:
    """Names a key without giving it away."""
    return hashlib.sha256(b"draw-key\x1f" + key).hexdigest()[:12]
