"""The errors of the daemon, in one tree.

```
TriagedError                     tools/errors.py
├── Transient                    the same call may succeed later
│   ├── BrainBusy                handlers/contract.py
│   ├── StoreBusy                the store could not commit
│   ├── Unreachable              a server could not be reached (exit code 3)
│   │   └── LoginRefused         it does not let us in before a person has done something
│   └── Refused4xx               the mail server said: not now
├── Permanent                    a person has to change something first
│   ├── BrainFailed              handlers/contract.py
│   ├── Faults                   tools/located.py: the operator's files, every fault at once
│   ├── SchemaMismatch           the store is behind or ahead of this version
│   ├── StoreUnusable            the store can't be opened or written
│   ├── Refused5xx               the mail server said: never
│   ├── Unaddressable            daemon/outbound/compose.py: no address that a reply could go to
│   ├── OAuthRefused             a provider's answer is an OAuth error
│   ├── Sealed                   a value can't be opened: erased, or another key
│   ├── NotPossible              what a command was asked for can't be done now
│   └── WrongUse                 what a command was asked for makes no sense (exit code 2)
│       └── NotFound, Ambiguous  a name
├── Uncertain                    no answer after the final dot: nobody can know whether the mail left
└── Stopped                      this run is no longer the one that may act
```
"""

from tools.errors import Permanent, Transient, TriagedError


class StoreBusy(Transient):
    """The store could not commit in time. Nothing was changed; it is tried again."""


class Unreachable(Transient):
    """A server could not be reached."""


class LoginRefused(Unreachable):
    """A server does not let us in. A person has to do something first, so it is not asked again in a hurry."""


class Refused4xx(Transient):
    """The mail server refused for now."""

    def __init__(self, message: str, *, code: int = 451) -> None:
        super().__init__(message)
        self.code = code


class Refused5xx(Permanent):
    """The mail server refused for good."""

    def __init__(self, message: str, *, code: int = 550) -> None:
        super().__init__(message)
        self.code = code


class SchemaMismatch(Permanent):
    """The store's schema is not the one that this version needs."""


class StoreUnusable(Permanent):
    """The store can't be opened or written."""


class OAuthRefused(Permanent):
    """A provider answered with an OAuth error (RFC 6749 section 5.2)."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(f"The provider says {code}{f': {description}' if description else ''}.")
        self.code = code


class Sealed(Permanent):
    """A sealed value can't be opened: the person's key was erased, or the master key is another one."""


class WrongUse(Permanent):
    """A command was given what it can't understand, or things that don't go together."""


class NotFound(WrongUse):
    """There is nothing under that name."""


class Ambiguous(WrongUse):
    """More than one thing has a name that begins like that."""


class NotPossible(Permanent):
    """The thing is in a state in which this can't be done."""


class Uncertain(TriagedError):
    """The content was sent and no answer came: nobody can know whether the mail left, so it is never sent again."""


class Stopped(TriagedError):
    """Another run took over, or the row is no longer in the expected state: this run ends without an effect."""
