"""The accounts that mail comes in and goes out by: the tables `[mailbox.NAME]` and `[smtp]`."""

import re
from datetime import date
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from daemon.duration import Duration
from daemon.loopback import is_loopback
from daemon.section import Section

_PORT = r"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_LISTEN = re.compile(rf"unix:/.+|systemd(?::[\w.-]+)?|(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):{_PORT}")


class OAuthConfig(Section):
    """How to log in with OAuth 2.0 (RFC 8628); `triaged login NAME` asks a person once."""

    provider: Literal["microsoft", "google", "oidc"] = Field(description="`oidc`: any other, by its `issuer`.")
    client_id: str = Field(min_length=1, description="The client that was registered for triaged at the provider.")
    client_secret_file: Path | None = Field(default=None, description="File with its secret, where it has one.")
    tenant: str = Field(
        default="common", pattern=r"^[A-Za-z0-9.-]+$", description="Microsoft: the directory (tenant) id."
    )
    issuer: str = Field(default="", description="OIDC: the provider's address; its discovery document is read.")
    scopes: tuple[str, ...] = Field(
        default=(),
        description="Scopes to ask for. Default: the provider's for IMAP and SMTP; OIDC: `openid`, `offline_access`.",
    )

    @field_validator("issuer")
    @classmethod
    def _never_in_clear(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        if issuer and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("this is no issuer. Write https://HOST, as the provider's discovery document has it")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("tokens would go over the network in clear. Use https, or a provider on loopback")
        return issuer

    @model_validator(mode="after")
    def _of_the_provider(self) -> "OAuthConfig":
        if self.provider == "oidc" and not self.issuer:
            raise ValueError('provider = "oidc" needs `issuer`')
        if self.provider != "oidc" and self.issuer:
            raise ValueError(f'`issuer` is for provider = "oidc"; "{self.provider}" has a known one. Take it out')
        if self.provider != "microsoft" and "tenant" in self.model_fields_set:
            raise ValueError('`tenant` is for provider = "microsoft". Take it out')
        return self


class FormConfig(Section):
    """Mail that a contact form sends: who filled it in is the sender, never verified; the reply goes there."""

    sender: str = Field(alias="from", description="From of the form's mail; it must be authenticated.")
    address: str = Field(
        description="Regular expression that occurs once in the text; its group is the address. `^` and `$` are the "
        "ends of a line."
    )
    text: str = Field(
        default="", description="Regular expression whose group is what was written. Empty: the whole text."
    )
    auto: bool = Field(default=False, description="false: a reply to a form always waits for a person.")

    @field_validator("sender")
    @classmethod
    def _is_address(cls, sender: str) -> str:
        if not re.fullmatch(r"[^\s<>@]+@[^\s<>@]+", sender):
            raise ValueError(f"{sender!r} is not a mail address. Write the address that stands in From of the form")
        return sender

    @field_validator("address", "text")
    @classmethod
    def _has_one_group(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern, re.MULTILINE).groups
        except re.error as error:
            raise ValueError(f"this is not a regular expression: {error}. Correct it") from error
        if pattern and groups != 1:
            raise ValueError(
                f"the expression has {groups} groups, and one is needed: what stands in ( ) is taken. "
                "Write (?: ) where a bracket should take nothing"
            )
        return pattern


class MailboxConfig(Section):
    """One address that receives mail."""

    kind: Literal["imap", "lmtp", "smtp", "maildir"] = Field(description="How mail comes in.")
    address: str = Field(description="Our address: From of replies.")
    aliases: tuple[str, ...] = Field(default=(), description="Further addresses that are us.")
    mode: Literal["shadow", "live"] = Field(
        default="shadow", description="`shadow`: drafts only, nothing leaves. `live`: the gate may send."
    )
    trust: tuple[str, ...] = Field(
        default=(),
        description="authserv-ids whose Authentication-Results we believe (RFC 8601). Empty, and `dkim` off: nobody is "
        "verified.",
    )
    results: Literal["above", "below"] = Field(
        default="above",
        description="Where the trusted server writes its Authentication-Results: above its own Received field, as most "
        "do, or `below` it, as Gmail does.",
    )
    dkim: Literal["off", "local"] = Field(
        default="off",
        description="`local`: verify signatures ourselves (RFC 6376), where no server that we trust does. Needs DNS.",
    )
    own_lists: tuple[str, ...] = Field(
        default=(), description="List-Ids of our own group addresses: their list fields don't make a mail automatic."
    )
    max_size: int = Field(
        default=25_000_000,
        ge=10_000,
        description="Octets; a larger mail is refused (LMTP, SMTP) or held with its first part.",
    )
    host: str | None = Field(default=None, description="IMAP server.")
    port: int = Field(default=993, ge=1, le=65535, description="IMAP port.")
    tls: Literal["implicit", "starttls", "none"] = Field(default="implicit", description="`none` only to loopback.")
    ca_file: Path | None = Field(default=None, description="CA certificates to believe instead of the system's.")
    user: str | None = Field(default=None, description="IMAP login name.")
    password_file: Path | None = Field(default=None, description="File with the IMAP password.")
    oauth: OAuthConfig | None = Field(
        default=None, description="Log in with OAuth instead of a password: `triaged login NAME`."
    )
    folder: str = Field(default="INBOX", description="IMAP folder to read.")
    poll: Duration = Field(default=300.0, description="How often to look, beside IDLE.")
    drafts: str = Field(default="Drafts", description="IMAP folder for drafts.")
    sent: str = Field(
        default="Sent",
        description="IMAP folder for copies of what was sent; answers by hand are looked for there. Empty: neither.",
    )
    done: str = Field(
        default="", description="IMAP folder that finished mail is moved to. Empty: it stays, with `$Triaged`."
    )
    held_folder: str = Field(
        default="",
        description="IMAP folder that held mail is moved to, for servers without keywords. Empty: it stays, with "
        "`$TriagedHeld`.",
    )
    since: Literal["now", "all"] | date = Field(
        default="now", description="First run: only new mail, all mail, or mail since a date."
    )
    sent_copy: Literal["append", "server"] = Field(default="append", description="Who puts the copy into Sent.")
    listen: str | None = Field(
        default=None,
        description="LMTP/SMTP: `127.0.0.1:2424`, `unix:/run/triaged/lmtp`, or `systemd:NAME` for a socket of systemd.",
    )
    path: Path | None = Field(default=None, description="Maildir: the folder that holds new/, cur/ and tmp/.")
    form: tuple[FormConfig, ...] = Field(default=(), description="`[[mailbox.NAME.form]]`: contact forms.")

    @field_validator("trust")
    @classmethod
    def _not_at_the_border(cls, trust: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if trust and info.data.get("kind") == "smtp":
            raise ValueError(
                'kind = "smtp" is the border itself: no server before it is yours, so that every field of the mail is '
                'the sender\'s word (RFC 8601 section 5). Take it out and write dkim = "local", or put a mail server '
                'in front and take its mail with kind = "lmtp"'
            )
        return trust

    @model_validator(mode="after")
    def _complete(self) -> "MailboxConfig":
        needed = {
            "imap": ("host", "user", "password_file" if self.oauth is None else "oauth"),
            "lmtp": ("listen",),
            "smtp": ("listen",),
            "maildir": ("path",),
        }
        missing = [name for name in needed[self.kind] if getattr(self, name) is None]
        if missing:
            raise ValueError(f'kind = "{self.kind}" needs {", ".join(f"`{name}`" for name in missing)}')
        if self.oauth is not None and self.password_file is not None:
            raise ValueError("a mailbox logs in with `oauth` or with `password_file`. Take one of them out")
        if self.kind == "imap" and self.tls == "none" and not is_loopback(self.host or ""):
            raise ValueError('tls = "none" is allowed to loopback only. Use "implicit" or "starttls"')
        if self.listen is not None and not _LISTEN.fullmatch(self.listen):
            raise ValueError(
                f"`listen`: {self.listen!r} is no address. Write 127.0.0.1:2424, unix:/run/triaged/lmtp or systemd"
            )
        if "@" not in self.address:
            raise ValueError(f"address: {self.address!r} is not a mail address")
        return self

    @property
    def addresses(self) -> frozenset[str]:
        """Every address that is us, lower case."""
        return frozenset(address.lower() for address in (self.address, *self.aliases))


class SmtpConfig(Section):
    """The submission server that replies leave through."""

    host: str = Field(default="127.0.0.1", description="Submission server.")
    port: int = Field(default=587, ge=1, le=65535, description="Port.")
    tls: Literal["implicit", "starttls", "none"] = Field(default="starttls", description="`none` only to loopback.")
    ca_file: Path | None = Field(default=None, description="CA certificates to believe instead of the system's.")
    user: str | None = Field(default=None, description="Login name; none: no AUTH.")
    password_file: Path | None = Field(default=None, description="File with the password.")
    oauth: str = Field(
        default="", description="Log in with OAuth as the mailbox of this name does, instead of with a password."
    )
    envelope_from: str | None = Field(
        default=None, description="MAIL FROM. Default: the mailbox's address; bounces are caught by the screen."
    )
    timeout: Duration = Field(default=60.0, description="How long to wait for each answer.")
    claim: Duration = Field(
        default=60.0,
        ge=1,
        description="Time a worker has from its claim to the final dot; after that the outcome is uncertain.",
    )
    retry_for: Duration = Field(
        default=86400.0,
        description="How long to go on after 4xx or a server that can't be reached; then the draft is held.",
    )
    retry_first: Duration = Field(
        default=60.0, description="First wait after a 4xx; doubles up to an hour, with jitter."
    )

    @model_validator(mode="after")
    def _safe(self) -> "SmtpConfig":
        if self.tls == "none" and not is_loopback(self.host):
            raise ValueError('tls = "none" is allowed to loopback only. Use "implicit" or "starttls"')
        if self.user and not (self.password_file or self.oauth):
            raise ValueError("`user` needs `password_file` or `oauth`")
        if self.oauth and self.password_file:
            raise ValueError("replies leave with `oauth` or with `password_file`. Take one of them out")
        return self
