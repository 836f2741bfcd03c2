"""The key behind the random draws: made once, kept secret, never sent anywhere.

Whoever reads it can foresee which declarations will be checked at random.
"""

import secrets
from pathlib import Path

from selectivity.deciding.sampling import draw_key_id
from selectivity.errors import ParamsError
from selectivity.record import DecisionRecord
from serving import secret_file

KEY_BYTES = 32


def read_or_create_draw_key(file: Path) -> bytes:
    """The key in this file; a new one, readable by its owner alone, if there is none.

    Raises:
        ParamsError: the file cannot be read or written, others may read it, or it holds no key.
    """
    try:
        if not file.exists():
            secret_file.create(file, f"{secrets.token_hex(KEY_BYTES)}\n".encode())
        return _read(file)
    except OSError as error:
        raise ParamsError(
            f"The draw key {file} cannot be used ({error.strerror}). Correct the path "
            "(LANES_DRAW_KEY) or its permissions."
        ) from error


def another_before(newest: DecisionRecord | None, key: bytes) -> str | None:
    """What to say if the newest decision of a log was drawn with another key; None if not."""
    if newest is None or newest.draw_key_id == draw_key_id(key):
        return None
    return (
        f"The newest decision was drawn with the key {newest.draw_key_id}, and this one is "
        f"{draw_key_id(key)}: draws differ from now on, and the log cannot be replayed. Stop, put "
        "the key of before back (LANES_DRAW_KEY, or draw.key of the state folder), and start."
    )


def _read(file: Path) -> bytes:
    content = secret_file.read(file)
    if secret_file.others_may_read(file):
        raise ParamsError(
            f"The draw key {file} can be read by others, who could foresee the random checks. "
            f"Run `chmod 600 {file}`."
        )
    text = content.decode("ascii", errors="replace").strip()
    if len(text) != 2 * KEY_BYTES or any(digit not in "0123456789abcdef" for digit in text):
        raise ParamsError(
            f"The draw key {file} does not hold {2 * KEY_BYTES} hexadecimal digits. Restore it "
            "from a backup; moving it away makes a new key, and draws will differ from then on."
        )
    return bytes.fromhex(text)
