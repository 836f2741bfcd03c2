"""The key behind the random draws: made once, kept secret, never sent anywhere.

Whoever reads it can foresee which declarations will be checked at random.
"""

import os
import secrets
import stat
from pathlib import Path

from selectivity.errors import ParamsError

KEY_BYTES = 32


def read_or_create(file: Path) -> bytes:
    """The key in this file; a new one, readable by its owner alone, if there is none.

    Raises:
        ParamsError: the file cannot be read or written, others may read it, or it holds no key.
    """
    try:
        return _read(file) if file.exists() else _create(file)
    except OSError as error:
        raise ParamsError(
            f"The draw key {file} cannot be used ({error.strerror}). Correct the path "
            "(LANES_DRAW_KEY) or its permissions."
        ) from error


def _read(file: Path) -> bytes:
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ParamsError(
            f"The draw key {file} can be read by others, who could foresee the random checks. "
            f"Run `chmod 600 {file}`."
        )
    text = file.read_text(encoding="ascii", errors="replace").strip()
    if len(text) != 2 * KEY_BYTES or any(digit not in "0123456789abcdef" for digit in text):
        raise ParamsError(
            f"The draw key {file} does not hold {2 * KEY_BYTES} hexadecimal digits. Restore it "
            "from a backup; moving it away makes a new key, and draws will differ from then on."
        )
    return bytes.fromhex(text)


def _create(file: Path) -> bytes:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = secrets.token_bytes(KEY_BYTES)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(key.hex() + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    return key
