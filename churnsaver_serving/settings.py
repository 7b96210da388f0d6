"""Settings of the server, read from its environment: one typed variable for each."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import quote

import msgspec
from msgspec import Meta
from upath import UPath

PREFIX = "CHURNSAVER_"
# Variables of the project that the training side reads.
FOREIGN = frozenset(
    {
        "CHURNSAVER_CACHE",
        "CHURNSAVER_DATA",
        "CHURNSAVER_DATA_MIRROR",
        "CHURNSAVER_EXPERIMENT",
        "CHURNSAVER_PROFILE",
    }
)
HOME_VARIABLE = f"{PREFIX}HOME"
CURRENT_FILE = "CURRENT"
DEFAULT_HOME = Path(".churnsaver")

# Kubernetes tells each container where the services of its namespace are, so a service named
# `churnsaver` or `churnsaver-...` has variables that begin as ours do.
_OF_SERVICES = re.compile(
    rf"{PREFIX}(?:[A-Z0-9_]+_)?"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_PORT_OF_SERVICE = re.compile(rf"{PREFIX}(?:[A-Z0-9_]+_)?PORT")
_SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://\S+:\d+")

LogLevel = Literal["debug", "info", "warning", "error"]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class SettingsError(ValueError):
    """A setting that can't be used: names the variable, the value and what was expected."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one server. The variable of a field is `CHURNSAVER_` and its name in capitals.

    Attributes:
        home: Directory of releases and ledger, where no other is named.
        release: Path or URL of a release's directory. By default the release of `home` whose id
            stands in `releases/CURRENT`.
        database_url: SQLAlchemy URL of the ledger, `sqlite:///...` or `postgresql://...`. By
            default `ledger.db` in `home`.
        allow_sample: True to serve a release that was built on generated data.
        policy: Name of the release's policy to decide by, in place of its own choice.
        force_baseline: True to decide by the release's baseline policy, whatever `policy` names.
        budget_usd: Money a calendar month (UTC), USD, in place of the release's.
        customers: Number of customers that budget is meant for, in place of the release's.
        daily_capacity: Contacts a day, in place of the release's.
        exploration: Exploration probability, in place of the release's.
        live_model: Directory of a model that writes while the request waits; see
            `runtime.messages.writers`. By default none does.
        live_deadline_s: Longest that a request waits for its text, seconds.
        max_body_bytes: Largest size of a request's body, bytes.
        max_batch: Largest number of decisions in one transaction.
        max_queue: Largest number of requests waiting; further ones are refused with 503.
        request_deadline_s: Longest that a request may wait before it is refused with 503, seconds.
        log_level: Least severity that is logged.
        host: Address to listen on.
        port: Port to listen on.
    """

    home: Path = DEFAULT_HOME
    release: str | None = None
    database_url: str | None = None
    allow_sample: bool = False
    policy: str | None = None
    force_baseline: bool = False
    budget_usd: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    customers: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    daily_capacity: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    exploration: Annotated[float, Meta(ge=0, le=1)] | None = None
    live_model: Path | None = None
    live_deadline_s: Annotated[float, Meta(gt=0, le=60)] = 1.0
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 64 * 1024
    max_batch: Count = 64
    max_queue: Count = 2_000
    request_deadline_s: Annotated[float, Meta(gt=0, le=600)] = 5.0
    log_level: LogLevel = "info"
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8000

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables. An empty variable counts as unset.

        What Kubernetes says of services (`service_variables`) is no setting.

        Raises:
            SettingsError: A `CHURNSAVER_` variable is unknown or its value can't be used.
        """
        foreign = FOREIGN.union(service_variables(environ))
        hints = get_type_hints(cls, include_extras=True)
        known = {PREFIX + name.upper(): name for name in cls.__struct_fields__}
        values: dict[str, Any] = {}
        for variable, text in environ.items():
            if not variable.startswith(PREFIX) or variable in foreign:
                continue
            if variable not in known:
                close = get_close_matches(variable, [*known, *FOREIGN], n=1)
                raise SettingsError(
                    f"{variable} is no setting{f'; did you mean {close[0]}?' if close else ''}; "
                    f"known are {', '.join(sorted(known))} and, for the training side, "
                    f"{', '.join(sorted(FOREIGN))}"
                )
            if text:
                values[known[variable]] = _convert(variable, text, hints[known[variable]])
        return cls(**values)

    def release_directory(self) -> UPath:
        """Return the directory of the release to serve.

        Raises:
            SettingsError: No release is named and `home` has no current one.
        """
        if self.release is not None:
            local = self.release.startswith("~")
            return UPath(_expanded(f"{PREFIX}RELEASE", self.release) if local else self.release)
        pointer = self.home / "releases" / CURRENT_FILE
        try:
            release_id = pointer.read_text().strip()
        except OSError as error:
            raise SettingsError(
                f"no release to serve: {pointer} can't be read ({error.strerror}); build a release "
                f"with `make demo`, or name one in {PREFIX}RELEASE"
            ) from error
        return UPath(self.home / "releases" / release_id)

    def ledger_url(self) -> str:
        """Return the SQLAlchemy URL of the ledger."""
        return self.database_url or sqlite_url(self.home / "ledger.db")


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of all state: what `CHURNSAVER_HOME` names, `~` expanded, or the default.

    Raises:
        SettingsError: The home directory that `~` stands for can't be told.
    """
    return _expanded(HOME_VARIABLE, environ.get(HOME_VARIABLE) or str(DEFAULT_HOME))


def sqlite_url(path: Path) -> str:
    """Return the SQLAlchemy URL of a SQLite file, whatever characters its path has."""
    return f"sqlite:///{quote(str(path))}"


def service_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the variables by which Kubernetes says where services are, by their form.

    `CHURNSAVER_PORT` is one of them where it holds an address such as `tcp://10.0.0.1:8000`, as it
    does for a service named `churnsaver`.
    """
    return sorted(
        name
        for name, value in environ.items()
        if _OF_SERVICES.fullmatch(name)
        or (_PORT_OF_SERVICE.fullmatch(name) and _SERVICE_ADDRESS.fullmatch(value))
    )


def _convert(variable: str, text: str, kind: Any) -> Any:  # noqa: ANN401 - any annotation, its value
    try:
        return msgspec.convert(
            text, kind, strict=False, dec_hook=lambda _, value: _expanded(variable, value)
        )
    except msgspec.ValidationError as error:
        raise SettingsError(f"{variable}={text!r}: {error}") from error


def _expanded(variable: str, text: str) -> Path:
    """Return a path with `~` and `~user` in place of which stands that user's home directory."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise SettingsError(f"{variable}={text!r}: {error}; name the folder in full") from error
