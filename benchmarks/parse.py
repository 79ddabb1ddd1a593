"""Measures what parsing and screening a mail costs, beside the standard library's parsers in the same run."""

import email
import email.policy
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage

from daemon.inbound.arrival import Arrival
from daemon.inbound.screen import ScreenConfig, screen

ADDRESS = "support@shop.example"
CONFIG = ScreenConfig(
    mailbox="support", addresses=frozenset({ADDRESS}), trust=("mx.shop.example",), mark_key=b"benchmark"
)
TRACE = (
    b"Authentication-Results: mx.shop.example; dmarc=pass header.from=example.com;\r\n"
    b" dkim=pass header.d=example.com\r\n"
    b"Received: from out.example.com by mx.shop.example with ESMTPS id 1; Mon, 23 Nov 2026 10:00:00 +0000\r\n"
)
SENTENCE = "I ordered a lamp three weeks ago, order 1042, and it has not arrived; could you tell me where it is? "


def mail(size: int) -> bytes:
    """A mail with text and HTML of about that many octets."""
    made = EmailMessage()
    made["From"] = "Ana Müller <ana@example.com>"
    made["To"] = ADDRESS
    made["Subject"] = "Re: Rückfrage zu meiner Bestellung"
    made["Date"] = "Mon, 23 Nov 2026 10:00:00 +0100"
    made["Message-ID"] = "<1@example.com>"
    text = SENTENCE * max(1, size // 2 // len(SENTENCE) - 4)
    made.set_content(text)
    made.add_alternative(f"<html><body><p>{text}</p></body></html>", subtype="html")
    return TRACE + made.as_bytes(policy=email.policy.SMTP)


def newsletter(size: int) -> bytes:
    """A mail of HTML with tables, styles, links and pictures, and a plain version."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "news@example.com", ADDRESS, "Our summer sale"
    made["List-Unsubscribe"] = "<https://news.example.com/u/1>"
    row = (
        '<tr><td style="padding:8px;font-size:14px"><a href="https://news.example.com/c/{0}?u=1"><img src="https://'
        'news.example.com/{0}.png" width="200" alt="Lamp {0}"></a></td><td class="text">Lamp {0}, now &euro;{0}.90'
        "</td></tr>"
    )
    count = max(1, size // len(row))
    rows = "".join(row.format(number) for number in range(count))
    style = "<style>.text{color:#333} @media (max-width:600px){.m{display:none}}</style>"
    made.set_content("\n".join(f"Lamp {number}, now EUR {number}.90" for number in range(count)))
    made.add_alternative(f"<html><head>{style}</head><body><table>{rows}</table></body></html>", subtype="html")
    return TRACE + made.as_bytes(policy=email.policy.SMTP)


def with_attachment(size: int) -> bytes:
    """A mail that is mostly an attachment."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "ana@example.com", ADDRESS, "My photograph"
    made.set_content(SENTENCE)
    made.add_attachment(bytes(range(256)) * (size * 3 // 4 // 256), maintype="image", subtype="jpeg", filename="a.jpg")
    return TRACE + made.as_bytes(policy=email.policy.SMTP)


def library(raw: bytes, policy: email.policy.Policy) -> None:
    """What a program does with the standard library: three fields and every body."""
    message = email.message_from_bytes(raw, policy=policy)
    for name in ("from", "subject", "to"):
        str(message[name])
    for part in message.walk():
        part.get_payload(decode=True)


def cost(work: Callable[[], object], seconds: float = 1.0) -> float:
    """CPU milliseconds of one call, the least of several rounds."""
    work()
    best = float("inf")
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best * 1000


def main() -> None:
    """Print a table."""
    now = datetime.now(UTC)
    mails = {
        "4 KB": mail(4_000),
        "50 KB": mail(50_000),
        "newsletter 50 KB": newsletter(50_000),
        "5 MB": with_attachment(5_000_000),
        "25 MB": with_attachment(25_000_000),
    }
    print("CPU ms per mail      parse + screen   stdlib compat32   stdlib default")
    for name, raw in mails.items():
        arrival = Arrival(mailbox="support", raw=raw, received_at=now)
        ours = cost(lambda arrival=arrival: screen(arrival, CONFIG, id="m1"))  # type: ignore[misc]
        old = cost(lambda raw=raw: library(raw, email.policy.compat32))  # type: ignore[misc]
        new = cost(lambda raw=raw: library(raw, email.policy.default))  # type: ignore[misc]
        print(f"{name:>18}   {ours:14.2f}   {old:15.2f}   {new:14.2f}")


if __name__ == "__main__":
    main()
