"""Knows the mail by which a person of ours answered from a mail program of their own (promise P11)."""

from daemon import marks
from daemon.inbound import address
from daemon.inbound.mime import Part, parameterised
from daemon.store.human_answer import Answer
from handlers.contract import Message


def read(root: Part, message: Message, *, mark_key: bytes) -> Answer | None:
    """What a mail that is ours answers; None: triaged or another machine wrote it, or it answers nothing.

    Args:
        root: the mail; its header is enough.
        message: the same, parsed.
        mark_key: tells what triaged wrote, by Message-ID or, where a relay made a new one, by the loop token.
    """
    if marks.ours(mark_key, message.message_id):
        return None
    if any(marks.our_token(mark_key, token) for token in root.all(marks.LOOP_HEADER.lower())):
        return None
    if any(parameterised(value)[0] != "no" for value in root.all("auto-submitted")):
        return None
    if not (message.in_reply_to or message.references):
        return None
    blind = (mailbox.address for value in root.all("bcc") for mailbox in address.read(value).mailboxes)
    return Answer(
        # RFC 5322 section 3.6.4: without In-Reply-To the last of References is what it answers
        parents=message.in_reply_to or message.references[-1:],
        ancestors=message.references,
        recipients=frozenset(each.lower() for each in (*message.to, *message.cc, *blind) if each),
    )
