"""The closed list of reasons, and the values that the gate decides with."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Outcome = Literal["send", "hold", "ignore"]


class Reason(StrEnum):
    """Why a mail was ignored or waits for a person. The text is what the store keeps: never rename one."""

    # ignored by the screen, before any model
    AUTOMATIC = "automatic"
    BULK = "bulk"
    BOUNCE = "bounce"
    OWN_MAIL = "own-mail"
    LOOP = "loop"
    NOT_ADDRESSED = "not-addressed-to-us"
    SPAM = "spam"
    RULE_IGNORE = "rule-ignore"
    # found while parsing or screening: a person should look
    UNPARSABLE = "unparsable"
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    ENCRYPTED = "encrypted"
    EMPTY = "empty-body"
    UNKNOWN_CHARSET = "unknown-charset"
    HIDDEN_TEXT = "hidden-text"
    TEXT_HTML_DIFFER = "text-and-html-differ"
    UNICODE_TAGS = "unicode-tags"
    ATTACHMENT_ONLY = "attachment-only"
    SEVERAL_FROM = "several-from"
    REPLY_TO_ELSEWHERE = "reply-to-elsewhere"
    AUTH_FAILED = "sender-failed-authentication"
    LOOKALIKE = "look-alike-domain"
    OLD_MAIL = "old-mail"
    RATE_CAP = "rate-cap"
    CONTACT_FORM = "contact-form"
    # route
    NO_RULE = "no-rule"
    RULE_HOLD = "rule-hold"
    RULE_FAILED = "rule-failed"
    ROUTE_ONLY_FILED = "filed-only"
    # handle
    MODEL_FAILED = "model-failed"
    BUDGET = "budget-spent"
    LOOPING = "agent-looping"
    TOOL_FAILED = "tool-failed"
    ESCALATED = "agent-escalated"
    UNKNOWN_CATEGORY = "unknown-category"
    TEMPLATE_FAILED = "template-failed"
    MISSING_INFORMATION = "missing-information"
    DEADLINE = "deadline-passed"
    UNEXPECTED = "unexpected-error"
    # gate
    SHADOW = "shadow-mode"
    AUTO_OFF = "category-not-automatic"
    SAMPLED = "sampled-for-review"
    UNVERIFIED = "sender-not-verified"
    UNKNOWN_CUSTOMER = "unknown-customer"
    UNGROUNDED = "ungrounded-fact"
    LOW_CONFIDENCE = "low-confidence"
    FALLBACK_MODEL = "fallback-model"
    ATTACHMENTS = "attachments"
    LEGAL = "legal-or-angry"
    HUMAN_WANTED = "human-wanted"
    LANGUAGE = "unsupported-language"
    HOLD_RULE = "hold-rule"
    HOLD_RULE_FAILED = "hold-rule-failed"
    CHECK_FAILED = "check-failed"
    LIMIT = "limit-exceeded"
    PROTECTED = "protected-column"
    IRREVERSIBLE = "irreversible-write"
    WRITE_REFUSED = "write-refused"
    WRITE_MISMATCH = "write-mismatch"
    UNTRACED_ARGUMENT = "untraced-argument"
    UNTRUSTED_ROW = "untrusted-row"
    PAUSED = "paused"
    BREAKER = "breaker-open"
    EMPTY_REPLY = "empty-reply"
    REPEATED_REPLY = "repeated-reply"
    # delivery
    STALE = "stale-draft"
    STALE_WRITE = "stale-write"
    REFUSED_BY_SERVER = "refused-by-server"
    UNADDRESSABLE = "unaddressable"
    SERVER_UNAVAILABLE = "server-unavailable"
    DELIVERY_UNCERTAIN = "delivery-uncertain"
    BOUNCED = "bounced"
    RECALLED = "recalled"
    ANSWERED_BY_HUMAN = "answered-by-human"
    APPLIED_NOT_SENT = "applied-not-sent"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check of the gate found; passed ones are kept too."""

    name: str
    passed: bool
    reason: Reason | None = None
    detail: str = ""
    """For the operator; may quote the mail, so it is sealed in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate decided, and every check that it looked at."""

    outcome: Outcome
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons of the checks that did not pass, in order, each once."""
        return tuple(dict.fromkeys(check.reason for check in self.checks if not check.passed and check.reason))
