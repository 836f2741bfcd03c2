"""The key that signs checkpoints of the decision log: made once, its public half written beside it.

Whoever reads the private half can sign a log of their own making. Auditors keep the public half
where the service cannot write.
"""

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from models.durable import write_durably
from selectivity.errors import ParamsError
from serving import secret_file


def read_or_create_signing_key(file: Path) -> Ed25519PrivateKey:
    """The key in this file; a new one, readable by its owner alone, if there is none.

    Raises:
        ParamsError: the file cannot be read or written, others may read it, it holds no Ed25519
            key, or the public key beside it is that of another.
    """
    try:
        if not file.exists():
            secret_file.create(file, _private_pem(Ed25519PrivateKey.generate()))
        key = _read_private(file)
        _keep_public(key.public_key(), public_file(file))
    except OSError as error:
        raise _unusable(file, error) from error
    return key


def check_signing_key(file: Path) -> None:
    """See that a start can use this key, or make one; nothing is written.

    Raises:
        ParamsError: it cannot, as `read_or_create_signing_key` says.
    """
    beside = public_file(file)
    try:
        key = _read_private(file) if file.exists() else Ed25519PrivateKey.generate()
        if beside.exists() and beside.stat().st_size:  # then it is compared alone
            _keep_public(key.public_key(), beside)
    except OSError as error:
        raise _unusable(file, error) from error


def _unusable(file: Path, error: OSError) -> ParamsError:
    return ParamsError(
        f"The signing key {file} cannot be used ({error.strerror}). Correct the path "
        "(LANES_SIGNING_KEY) or its permissions."
    )


def read_public(file: Path) -> Ed25519PublicKey:
    """The public key in this file.

    Raises:
        ParamsError: the file cannot be read, or holds no public Ed25519 key.
    """
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise ParamsError(
            f"The public key {file} cannot be read ({error.strerror}). The service writes it "
            "beside its signing key when it starts; give the path with --public-key."
        ) from error
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ParamsError(
            f"{file} holds no public Ed25519 key in PEM. Give the file ending in .pub that the "
            "service wrote beside its signing key."
        )
    return key


def public_file(private: Path) -> Path:
    """Where the public half of this key lies."""
    return private.with_suffix(".pub")


def kept_public(private: Path) -> list[Ed25519PublicKey]:
    """The public half of this key, and those of earlier ones that were kept beside it.

    An earlier one of `signing.key` is called `signing.<anything>.pub`; there may be none but such.

    Raises:
        ParamsError: there is none at all, or one of them cannot be read.
    """
    return [read_public(file) for file in public_files(private) or [public_file(private)]]


def signed_before(private: Path) -> bool:
    """Whether there is a public half of this key or of an earlier one: else nothing was signed."""
    return bool(public_files(private))


def public_files(private: Path) -> list[Path]:
    """The public halves that are there: of this key first, then of the earlier ones."""
    own, earlier = public_file(private), sorted(private.parent.glob(f"{private.stem}.*.pub"))
    return [own, *earlier] if own.exists() else earlier


def key_id(key: Ed25519PublicKey) -> str:
    """Names a key by its content."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _read_private(file: Path) -> Ed25519PrivateKey:
    content = secret_file.read(file)
    if secret_file.others_may_read(file):
        raise ParamsError(
            f"The signing key {file} can be read by others, who could sign a log of their own. "
            f"Run `chmod 600 {file}`."
        )
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ParamsError(
            f"The signing key {file} holds no Ed25519 key in PEM. Restore it from a backup; moving "
            "it away makes a new key, and verifying then takes both public keys."
        )
    return key


def _keep_public(key: Ed25519PublicKey, file: Path) -> None:
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if not file.exists() or not file.stat().st_size:  # empty: what a power cut once left of it
        write_durably(file, pem.decode())
    elif file.read_bytes() != pem:
        raise ParamsError(
            f"The public key {file} is not that of the signing key beside it. Find out which of "
            "the two was replaced; move the wrong one away."
        )


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
