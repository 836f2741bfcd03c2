"""Settings of the service: what there is to set, what it is for, and what it may be."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from selectivity.declaration import MAX_ITEMS
from selectivity.errors import ParamsError
from selectivity.reasons.wording import Language
from serving.callers.api_keys import Role

MEBIBYTE = 1 << 20


def _loopback(host: str) -> str:
    try:
        safe = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        safe = False
    if not safe:
        raise ValueError(
            "keys would cross the network in the clear, so the service listens on this machine "
            "only; use 127.0.0.1 or ::1, and put a proxy with TLS before it"
        )
    return host


def _pairs(given: Any) -> Any:
    """A mapping from `there=here,there=here`."""
    if not isinstance(given, str):
        return given
    pairs = [part.partition("=") for part in given.split(",")]
    return {there.strip(): here.strip() for there, _, here in pairs}


def _postgresql(address: SecretStr) -> SecretStr:
    if not address.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("it is no address of a PostgreSQL database, such as postgresql:///lanes")
    return address


class Settings(BaseModel):
    """Where the service finds what it needs, where it listens, and what it takes at most.

    The variable of a field is its name in capitals behind LANES_, for example LANES_PORT.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    published: Path = Field(
        default=Path("models/published"), description="Folder of published bundles."
    )
    bundle: Path | None = Field(
        default=None, description="A bundle's folder, instead of the published one."
    )
    rules: Path = Field(
        default=Path("data/reference/rules/*.yaml"),
        description="Rule files that hold while there is no usable bundle.",
    )
    state: Path = Field(default=Path("state"), description="Folder of the decision log.")
    database: Annotated[SecretStr, AfterValidator(_postgresql)] | None = Field(
        default=None,
        description="Address of the decision log in PostgreSQL, postgresql://…; a file in the "
        "state folder if unset.",
    )
    spool: Path | None = Field(
        default=None,
        description="File that decisions go to while the log cannot be written, best on another "
        "disk; beside the state folder, with -spool.sqlite behind its name, if unset.",
    )
    recent_decisions: int = Field(
        default=100_000,
        ge=1_000,
        description="Newest decisions of a database copied to the state folder, to answer from "
        "while it is down.",
    )
    histories_records: int = Field(
        default=20_000,
        ge=1,
        description="Records after which what the histories know is kept for the next start.",
    )
    histories_seconds: float = Field(
        default=600, ge=0, description="Seconds that pass at the least before it is kept again."
    )
    draw_key: Path | None = Field(
        default=None, description="Key of the random draws; draw.key in the state folder if unset."
    )
    keys: Path | None = Field(
        default=None, description="File of the API keys; keys.json in the state folder if unset."
    )
    jwt_keys: Path | None = Field(
        default=None,
        description="Public keys (JWKS file) of tokens; without it no token is taken.",
    )
    jwt_issuer: str | None = Field(default=None, description="What tokens must give as iss.")
    jwt_audience: str | None = Field(default=None, description="What tokens must give as aud.")
    jwt_roles_claim: str = Field(default="roles", description="Claim that holds the roles.")
    jwt_roles: Annotated[Mapping[str, Role] | None, BeforeValidator(_pairs)] = Field(
        default=None,
        description="Roles there=roles here, with commas between; the same names if unset.",
    )
    language: Language = Field(
        default="en",
        description="Language in which commands give lanes, reasons and refusals, vi or en; a "
        "caller over HTTP names its own (Accept-Language).",
    )
    api_key: SecretStr | None = Field(
        default=None, description="Key that commands send; that of the first run if unset."
    )
    signing_key: Path | None = Field(
        default=None,
        description="Key that signs checkpoints; signing.key in the state folder if unset.",
    )
    anchor: Path | None = Field(
        default=None,
        description="File of the checkpoints of the log, best on another disk; beside the state "
        "folder, with -anchor.ndjson behind its name, if unset.",
    )
    checkpoint_records: int = Field(
        default=1_000, ge=1, description="Records after which a checkpoint is due."
    )
    checkpoint_seconds: float = Field(
        default=10.0, gt=0, le=3_600, description="Seconds after which one is due if any is new."
    )
    report: Path = Field(
        default=Path("data/reports/report.html"), description="Report shown at /reports."
    )
    host: Annotated[str, AfterValidator(_loopback)] = Field(
        default="127.0.0.1", description="Loopback address to listen on."
    )
    port: int = Field(default=8080, ge=0, le=65_535, description="0 takes a free one.")
    body_limit_bytes: int = Field(
        default=4 * MEBIBYTE,
        ge=1_000,
        le=64 * MEBIBYTE,
        description="Longest request, and longest line of a batch; a longer one gets a 413.",
    )
    batch_limit_bytes: int = Field(
        default=64 * MEBIBYTE,
        ge=1_000,
        le=1_024 * MEBIBYTE,
        description="Longest batch, and half of what its answers may take; the rest: a 413.",
    )
    batch_lines_limit: int = Field(
        default=100_000, ge=1, le=10_000_000, description="Most lines of a batch; the rest: a 413."
    )
    headers_limit_bytes: int = Field(
        default=16_384, ge=1_024, le=65_536, description="Longest headers; longer ones get a 431."
    )
    wait_seconds: float = Field(
        default=10, ge=0.1, le=120, description="How long a caller may keep a request waiting."
    )
    follow_seconds: float = Field(
        default=2, ge=0.1, le=3_600, description="How often to look for a newly published bundle."
    )
    model_seconds: float = Field(
        default=0.25,
        gt=0,
        le=60,
        description="A model that takes longer several times in a row is not asked for a while.",
    )
    at_once_limit: int = Field(
        default=32, ge=1, le=1_024, description="Requests decided on at once; others get a 503."
    )
    batches_limit: int = Field(
        default=4, ge=1, le=64, description="Batches taken at once; others get a 503."
    )
    items_limit: int = Field(
        default=MAX_ITEMS, ge=1, le=MAX_ITEMS, description="Most goods items in a declaration."
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.jwt_keys and not (self.jwt_issuer and self.jwt_audience):
            raise ValueError(
                "LANES_JWT_KEYS needs LANES_JWT_ISSUER and LANES_JWT_AUDIENCE beside it, or tokens "
                "made for somebody else would be taken"
            )
        # A log that is its own spool would grow without end.
        files: dict[str, str] = {}
        for name in ("log", "recent", "spool", "anchor", "keys", "draw_key", "signing_key"):
            other = files.setdefault(os.path.realpath(getattr(self, f"{name}_file")), name)
            if other != name:
                problem = f"the {other} and the {name} would be one file".replace("_", " ")
                raise ValueError(f"{problem}. Give LANES_{name.upper()} another path")
        return self

    @property
    def url(self) -> str:
        """Where callers on this machine find a service with these settings."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def log_file(self) -> Path:
        """The decision log."""
        return self.state / "decisions.sqlite"

    @property
    def draw_key_file(self) -> Path:
        """The key of the random draws."""
        return self.draw_key or self.state / "draw.key"

    @property
    def keys_file(self) -> Path:
        """The API keys, as digests."""
        return self.keys or self.state / "keys.json"

    @property
    def demo_key_file(self) -> Path:
        """The key that was made at the first start, for the commands on this machine."""
        return self.state / "demo.key"

    @property
    def signing_key_file(self) -> Path:
        """The key that signs checkpoints."""
        return self.signing_key or self.state / "signing.key"

    @property
    def anchor_file(self) -> Path:
        """The checkpoints of the decision log."""
        state = self.state.absolute()
        return self.anchor or state.with_name(f"{state.name}-anchor.ndjson")

    @property
    def spool_file(self) -> Path:
        """Where decisions go while the log cannot be written."""
        state = self.state.absolute()
        return self.spool or state.with_name(f"{state.name}-spool.sqlite")

    @property
    def recent_file(self) -> Path:
        """The copy of the newest decisions of a database."""
        return self.state / "recent.sqlite"

    @property
    def histories_folder(self) -> Path:
        """What the histories know, kept for the next start."""
        return self.state / "histories"

    def rules_files(self) -> list[Path]:
        """The rule files, in the order of their names.

        Raises:
            ParamsError: there are none.
        """
        files = sorted(self.rules.parent.glob(self.rules.name)) if self.rules.name else []
        if not files:
            raise ParamsError(
                f"LANES_RULES: no file matches {self.rules}. Start the service in the project's "
                "folder, or give the path of the rule files."
            )
        return files
