"""The root of every error that triaged raises on purpose.

```
TriagedError
├── Transient        the same call may succeed later
├── Permanent        the same call will fail again
└── Faults           what is wrong with the operator's files: every fault at once (tools.located)
```

`daemon/errors.py` draws the whole tree.
"""


class TriagedError(Exception):
    """Something went wrong in a way that triaged foresaw: the message says what happened and what to do."""


class Transient(TriagedError):
    """The same call may succeed later: wait, then try again."""


class Permanent(TriagedError):
    """The same call will fail again: a person has to change something first."""
