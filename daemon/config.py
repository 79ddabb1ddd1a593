"""triaged.toml as models: a table is a class, a key is a field, and the field says what it means."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, field_validator

from daemon import secrets
from daemon.accounts import MailboxConfig, SmtpConfig
from daemon.caps import LimitsConfig
from daemon.databases import DatabaseConfig
from daemon.duration import Duration
from daemon.loopback import is_loopback
from daemon.section import Section
from tools import located
from tools.located import Document, Fault, Faults, Key

FILE = "triaged.toml"


class StoreConfig(Section):
    """Where triaged keeps what it knows."""

    url: str = Field(
        description="SQLite for one host, PostgreSQL for several workers: `sqlite:////var/lib/triaged/triaged.db` or "
        "`postgresql+psycopg://user@host/database`. Relative SQLite paths are relative to the configuration."
    )
    master_key_file: Path | None = Field(
        default=None,
        description="Key that wraps every person's key. Default: `master.key` beside the store; made at `db upgrade`.",
    )
    keys_url: str | None = Field(
        default=None,
        description="Where the wrapped person keys are kept. Default: `keys.db` beside a SQLite store, the store's "
        "database otherwise.",
    )

    @field_validator("url", "keys_url")
    @classmethod
    def _known(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError(
                f"{url.partition(':')[0]!r} is no store we know. Write sqlite:////path or postgresql+psycopg://…"
            )
        return url


class EmbeddedConfig(Section):
    """The embedded brain."""

    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Below this confidence it abstains. Default: calibrated from the examples.",
    )


class BrainConfig(Section):
    """The thing that plays the model."""

    provider: Literal["anthropic", "embedded"] = Field(
        default="embedded", description="`anthropic`: Claude or a compatible server. `embedded`: no model, no network."
    )
    model: str = Field(default="claude-sonnet-5-5", description="Model name.")
    fallback_model: str = Field(
        default="", description="Used when `model` can't answer; its replies are held. Empty: none."
    )
    base_url: str = Field(
        default="", description="Any server that speaks the Anthropic Messages API. Empty: Anthropic."
    )
    api_key_file: Path | None = Field(default=None, description="File with the key. Default: ANTHROPIC_API_KEY.")
    timeout: Duration = Field(default=60.0, description="How long one call may take.")
    max_tokens: int = Field(default=2000, ge=100, description="Output tokens of one call.")
    max_turns: int = Field(default=8, ge=1, le=50, description="Calls for one mail.")
    tokens_per_message: int = Field(default=30_000, ge=1000, description="Tokens for one mail, in and out.")
    tokens_per_day: int = Field(
        default=2_000_000, ge=1000, description="Tokens for all mails of a day (UTC); then mail waits for people."
    )
    concurrency: int = Field(default=8, ge=1, le=256, description="Calls at the same time.")
    embedded: EmbeddedConfig = Field(default_factory=EmbeddedConfig, description="Settings of the embedded brain.")

    @field_validator("base_url")
    @classmethod
    def _never_in_clear(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("this is no address. Write https://HOST or http://127.0.0.1:PORT")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("mail would go out in clear. Use https, or a server on loopback")
        return url


class ReplyConfig(Section):
    """How replies look."""

    from_name: str = Field(default="", description="Display name in From.")
    signature: str = Field(default="", description="Text under every reply.")
    quote: bool = Field(default=True, description="Quote the mail that is answered.")
    html: bool = Field(default=True, description="Add a simple HTML part.")
    disclosure: str = Field(
        default="This reply was written automatically. Answer it to reach a person.",
        description="Line under replies that no person approved.",
    )
    disclosures: dict[str, str] = Field(default_factory=dict, description='The same in other languages: `de = "…"`.')
    human_words: tuple[str, ...] = Field(
        default=("human", "agent", "real person", "speak to someone", "Mensch", "Mitarbeiter"),
        description="Words by which a sender asks for a person; such a mail is held.",
    )


class PersonConfig(Section):
    """A reviewer."""

    name: str = Field(default="", description="Shown name.")
    may: tuple[Literal["read", "decide", "admin"], ...] = Field(
        default=("read", "decide"), description="What this person may do."
    )


class ReviewConfig(Section):
    """People."""

    drafts_folder: bool = Field(
        default=False,
        description="Put held drafts into the mailbox's drafts folder too, so that a person may send them from there.",
    )
    people: dict[str, PersonConfig] = Field(
        default_factory=dict,
        description="`[review.people.USER]`: OS user to name and rights. Empty: everybody who can open the store.",
    )


class WatchConfig(Section):
    """Seeing inside."""

    metrics: str = Field(
        default="", description="Where Prometheus may read, on loopback: `127.0.0.1:9464`. Empty: nowhere."
    )
    log: Literal["json", "console", "journal"] = Field(
        default="console", description="Format of the log on standard error."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe that is logged."
    )
    personal_data: bool = Field(default=False, description="Log addresses and subjects (promise P15 is then off).")

    @field_validator("metrics")
    @classmethod
    def _on_this_machine(cls, address: str) -> str:
        host, _, port = address.rpartition(":")
        if address and not (host and port.isdecimal() and int(port) < 65536):  # noqa: PLR2004 - ports have 16 bits
            raise ValueError(f"{address!r} is no address. Write 127.0.0.1:9464")
        if address and not is_loopback(host):
            raise ValueError(
                "metrics are served to this machine only, without a password. Write 127.0.0.1:PORT, and put a proxy "
                "in front of it for others"
            )
        return address

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port of `metrics`; None: they are not served."""
        host, _, port = self.metrics.rpartition(":")
        return (host.strip("[]"), int(port)) if self.metrics else None


class RetentionConfig(Section):
    """How long things are kept."""

    workflows: Duration = Field(default=7 * 86400.0, description="Finished entries of the workflow engine.")


class IdentityConfig(Section):
    """Who a verified address is: what the statement finds becomes `:customer`, for tools to use like `:sender`."""

    database: str = Field(description="The business database to ask.")
    statement: str = Field(
        description="A query with `:sender` that returns one column, and one row for a customer: "
        "`SELECT customer_id FROM customers WHERE lower(email) = :sender`."
    )
    mailbox: tuple[str, ...] = Field(default=(), description="Mailboxes that it is for; none: all.")


class RouteConfig(Section):
    """What happens to mail that no rule takes; stands in rules.toml as `[route]`."""

    default: Literal["hold", "classify"] = Field(default="hold", description="`hold`: a person looks.")


class Config(Section):
    """The whole of triaged.toml."""

    store: StoreConfig
    database: dict[str, DatabaseConfig] = Field(default_factory=dict, description="Business databases by name.")
    mailbox: dict[str, MailboxConfig] = Field(description="Mailboxes by name; at least one.", min_length=1)
    identity: dict[str, IdentityConfig] = Field(default_factory=dict, description="Who a verified address is, by name.")
    smtp: SmtpConfig = Field(default_factory=SmtpConfig)
    brain: BrainConfig = Field(default_factory=BrainConfig)
    reply: ReplyConfig = Field(default_factory=ReplyConfig)
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    review: ReviewConfig = Field(default_factory=ReviewConfig)
    watch: WatchConfig = Field(default_factory=WatchConfig)
    retention: RetentionConfig = Field(default_factory=RetentionConfig)

    _directory: Path = PrivateAttr(default=Path())

    @property
    def directory(self) -> Path:
        """The folder that holds triaged.toml; relative paths start there."""
        return self._directory

    def resolve(self, path: Path) -> Path:
        """A path of the configuration as an absolute one."""
        return path if path.is_absolute() else (self._directory / path)

    def url(self, url: str) -> str:
        """A database URL whose relative SQLite path starts at the configuration."""
        prefix = "sqlite:///"
        if url.startswith(prefix) and not url.startswith(prefix + "/"):
            return prefix + str((self._directory / url.removeprefix(prefix)).absolute())
        return url

    @property
    def submission(self) -> SmtpConfig:
        """`[smtp]` with absolute paths, and with the login name of the mailbox that it logs in as."""
        smtp = self.smtp
        user = smtp.user or (self.mailbox[smtp.oauth].user if smtp.oauth else None)
        return smtp.model_copy(update={"user": user, "ca_file": self.resolve(smtp.ca_file) if smtp.ca_file else None})

    @property
    def own_addresses(self) -> frozenset[str]:
        """Every address of every mailbox, lower case."""
        return frozenset(address for mailbox in self.mailbox.values() for address in mailbox.addresses)


def load(directory: Path) -> Config:
    """Read `directory/triaged.toml`.

    Raises:
        Faults: everything that is wrong with it.
    """
    config, _ = read(directory)
    return config


def for_command(directory: Path) -> Config:
    """Read triaged.toml for a command that works on the store: it logs in nowhere, so no secret has to be there.

    Raises:
        Faults: everything that is wrong with the file itself.
    """
    return _parsed(directory)[0]


def store_alone(directory: Path) -> Config:
    """Read `[store]` and nothing else, so that sending can be stopped whatever is wrong with the rest.

    Raises:
        Faults: the file is no TOML, or `[store]` has faults.
    """
    document = located.load(directory / FILE)
    at: Key = ("store",) if isinstance(document.data.get("store"), dict) else ()
    store = located.validate(document, StoreConfig, at=at)
    config = Config.model_construct(store=store, mailbox={})
    config._directory = directory.absolute()  # noqa: SLF001 - as in `_parsed`
    return config


def read(directory: Path) -> tuple[Config, Document]:
    """Read triaged.toml and keep where its keys stand.

    Raises:
        Faults: everything that is wrong with it.
    """
    config, document = _parsed(directory)
    faults = [*_secret_faults(config, document), *_oauth_faults(config, document), *_form_faults(config, document)]
    faults += _door_faults(config, document)
    if faults:
        raise Faults(faults)
    return config, document


def _parsed(directory: Path) -> tuple[Config, Document]:
    document = located.load(directory / FILE)
    config = located.validate(document, Config)
    config._directory = directory.absolute()  # noqa: SLF001 - a private attribute of our own model, set once here
    return config, document


def _secret_faults(config: Config, document: Document) -> Iterator[Fault]:
    named: list[tuple[tuple[str, ...], Path | None]] = [
        (("smtp", "password_file"), config.smtp.password_file),
        (("brain", "api_key_file"), config.brain.api_key_file),
    ]
    named += [(("mailbox", name, "password_file"), mailbox.password_file) for name, mailbox in config.mailbox.items()]
    named += [
        (("mailbox", name, "oauth", "client_secret_file"), mailbox.oauth.client_secret_file)
        for name, mailbox in config.mailbox.items()
        if mailbox.oauth is not None
    ]
    named += [
        (("database", name, "password_file"), database.password_file) for name, database in config.database.items()
    ]
    for key, path in named:
        if path is not None and (problem := secrets.problem(secrets.locate(config.directory, path))):
            yield document.fault(key, problem)


def _form_faults(config: Config, document: Document) -> Iterator[Fault]:
    for name, mailbox in config.mailbox.items():
        for number, form in enumerate(mailbox.form):
            if form.sender.lower() in config.own_addresses:
                yield document.fault(
                    ("mailbox", name, "form", number, "from"),
                    f"`from`: {form.sender} is an address of ours, and mail from ourselves is never answered. Let the "
                    "form send from another address.",
                )


def _door_faults(config: Config, document: Document) -> Iterator[Fault]:
    listens: dict[str, str] = {}
    for name, mailbox in config.mailbox.items():
        for key in ("done", "held_folder"):
            if getattr(mailbox, key) and mailbox.kind != "imap":
                told = (
                    f'`{key}`: only an IMAP server has folders. Leave it out, or read the mailbox with kind = "imap".'
                )
                yield document.fault(("mailbox", name, key), told)
        if mailbox.listen is None or mailbox.listen.endswith(":0"):
            continue
        if mailbox.listen in listens:
            told = f"`listen`: the mailbox `{listens[mailbox.listen]}` listens there already. Write another address."
            yield document.fault(("mailbox", name, "listen"), told)
        listens[mailbox.listen] = name


def _oauth_faults(config: Config, document: Document) -> Iterator[Fault]:
    name = config.smtp.oauth
    if not name:
        return
    mailbox = config.mailbox.get(name)
    if mailbox is None:
        yield document.fault(("smtp", "oauth"), located.unknown(name, config.mailbox, "mailbox"))
    elif mailbox.oauth is None:
        told = f"`smtp.oauth`: the mailbox `{name}` has no `[mailbox.{name}.oauth]`. Write it, or use `password_file`."
        yield document.fault(("smtp", "oauth"), told)
    elif not (config.smtp.user or mailbox.user):
        told = f"`smtp.oauth` needs a login name, which the mailbox `{name}` has not. Write `smtp.user`."
        yield document.fault(("smtp", "oauth"), told)


def secret(config: Config, path: Path) -> str:
    """Read a secret that the configuration names.

    Raises:
        Faults: it is missing, world-readable, or can't be read.
    """
    file = secrets.locate(config.directory, path)
    if problem := secrets.problem(file):
        raise Faults([Fault(path=file, message=problem)])
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        told = f"The secret can't be read ({type(error).__name__}). Let this user read it, as UTF-8."
        raise Faults([Fault(path=file, message=told)]) from error
