"""Where the sender's words begin: no field below our border's turns an unverified mail into a verified one."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.inbound.authenticate import authenticate
from daemon.inbound.mime import header
from tests.unit.inbound.mail import CONFIG, mail, screened

GMAIL = replace(CONFIG, trust=("mx.google.com",), below=True)
HANDED_ON = (
    "Received: by 2002:a05:6402:3589:b0:5d0:d610:caa2 with SMTP id y9csp1; Mon, 23 Nov 2026 02:00:01 -0800 (PST)"
)
BORDER = """\
Received: from out.example.com (out.example.com. [192.0.2.7])
        by mx.google.com with ESMTPS id d9443c01a7336-21 for <support@shop.example>
        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);
        Mon, 23 Nov 2026 02:00:00 -0800 (PST)"""
SPF = "Received-SPF: pass (google.com: domain of ana@example.com designates 192.0.2.7) client-ip=192.0.2.7;"
PASS = """\
Authentication-Results: mx.google.com;
       dkim=pass header.i=@example.com header.s=s1 header.b=AbCdEfGh;
       spf=pass (google.com: domain of ana@example.com) smtp.mailfrom=ana@example.com;
       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=example.com"""
NONE = "Authentication-Results: mx.google.com; dkim=none; spf=none smtp.mailfrom=ana@example.com; dmarc=none"
ARC = "ARC-Authentication-Results: i=1; mx.google.com; dmarc=pass header.from=example.com"
SENDER = "Received: from laptop.example.com by out.example.com with ESMTPSA id 1; Mon, 23 Nov 2026 10:00:00 +0000"


def verdict(*fields: str, below: bool = True) -> str:
    config = GMAIL if below else replace(GMAIL, below=False)
    raw = mail(*(field.replace("\n", "\r\n") for field in fields))
    return screened(raw, config=config).message.sender.verdict


def test_what_gmail_writes_is_read_below_its_border() -> None:
    block = (HANDED_ON, ARC, "Return-Path: <ana@example.com>", BORDER, SPF, PASS, SENDER)
    assert verdict(*block) == "verified"
    assert verdict(*block, below=False) == "unverified"


@pytest.mark.parametrize(
    "fields",
    [
        (BORDER, SPF, NONE, PASS, SENDER),
        (BORDER, NONE, SENDER, PASS),
        (BORDER, SPF, SENDER, PASS),
        (BORDER, NONE, SENDER, BORDER, PASS),
        (BORDER, SENDER, BORDER, PASS),
        (SENDER, BORDER, PASS),
        (HANDED_ON, SENDER, BORDER, PASS),
        (PASS, SENDER),
        (PASS, BORDER, NONE),
        (HANDED_ON, PASS, BORDER, NONE),
        (PASS,),
        (HANDED_ON, PASS),
        (BORDER.replace("with ESMTPS", "with POP3"), SENDER.replace("by out", "by in"), BORDER, PASS, SENDER)[1:],
        (BORDER.replace("mx.google.com", "mx.google.com.evil.example"), PASS),
        (BORDER.replace("mx.google.com", "other.example"), PASS),
        (
            BORDER.replace("from out", "from by mx.google.com by out").replace(
                "by mx.google.com with", "by o.example with"
            ),
            PASS,
        ),
        (
            BORDER.replace("out.example.com (", "x by mx.google.com (").replace(
                "\n        by mx.google.com", " by o.example"
            ),
            PASS,
        ),
        (HANDED_ON.replace("by ", "from x by "), BORDER, PASS),
        (HANDED_ON.replace("with SMTP", "with HTTP"), BORDER, PASS),
        (BORDER, PASS.replace("mx.google.com;", "google.com;")),
    ],
)
def test_a_pair_that_looks_like_the_border_s_proves_nothing_elsewhere(fields: tuple[str, ...]) -> None:
    assert verdict(*fields) == "unverified"


def test_a_host_below_the_authserv_id_is_the_same_house() -> None:
    told = PASS.replace("mx.google.com", "shop.example")
    border = BORDER.replace("mx.google.com", "mx1.shop.example")
    trusting = replace(GMAIL, trust=("shop.example",))
    raw = mail(border.replace("\n", "\r\n"), told.replace("\n", "\r\n"))
    assert screened(raw, config=trusting).message.sender.verdict == "verified"


@pytest.mark.parametrize(
    "received",
    [
        'from "x (a by b) by mx.shop.example with ESMTP for <"y" with LMTP @shop.example>; Mon, 23 Nov 2026',
        "from x( by mx.shop.example with ESMTP id 1; Mon, 23 Nov 2026",
        "from x with LMTP by mx.shop.example with ESMTP; Mon, 23 Nov 2026",
        'from x by mx.shop.example with ESMTP for <"a with LMTP"@shop.example>; Mon, 23 Nov 2026',
        "from x by mx.shop.example (with LMTP) with ESMTP; Mon, 23 Nov 2026",
    ],
)
def test_no_helo_and_no_recipient_makes_the_border_a_hop_inside_the_house(received: str) -> None:
    fields, _, _ = header(
        f"Received: {received}\r\nAuthentication-Results: mx.shop.example; dmarc=pass\r\n\r\n".encode()
    )
    assert authenticate(fields, "ana@example.com", ["mx.shop.example"])[0] == "unverified"


def test_a_hop_inside_the_house_may_tell_its_cipher() -> None:
    hop = "from mx.shop.example by store.shop.example with LMTP (using TLSv1.3 with cipher AES (256/256 bits)); Mon"
    results = "Authentication-Results: mx.shop.example; dmarc=pass"
    fields, _, _ = header(
        f"Received: {hop}\r\n{results}\r\nReceived: from x by mx.shop.example with ESMTP\r\n\r\n".encode()
    )
    assert authenticate(fields, "ana@example.com", ["mx.shop.example"])[0] == "verified"


SERVER = "mx.shop.example"
WORDS = st.lists(
    st.sampled_from(
        [
            *("x", "by", "with", "from", "for", "id", "via", "LMTP", "ESMTP", "SMTP", SERVER, "cipher"),
            *("(", ")", '"', "\\", ";", "<", ">", "other.example", "127.0.0.1"),
        ]
    ),
    max_size=7,
).map(" ".join)
FORGED = st.lists(
    st.one_of(
        st.sampled_from(
            [
                f"Authentication-Results: {SERVER}; dmarc=pass header.from=example.com",
                f"Authentication-Results: {SERVER};\r\n dkim=pass header.d=example.com",
                f"Received: from x by {SERVER} with ESMTP id 9; Mon, 23 Nov 2026 10:00:00 +0000",
                f"Received: from x by {SERVER} with LMTP id 9; Mon, 23 Nov 2026 10:00:00 +0000",
                f"Received: by {SERVER} with SMTP id 9; Mon, 23 Nov 2026 10:00:00 +0000",
                "Received:",
                "X-Nothing: x",
            ]
        ),
        WORDS.map(lambda words: f"Received: {words}"),
        WORDS.map(lambda words: f"Authentication-Results: {words} {SERVER}; dmarc=pass"),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(
    helo=WORDS, recipient=WORDS, forged=FORGED, below=st.booleans(), results=st.sampled_from(["dmarc=none", "spf=fail"])
)
def test_no_word_of_the_sender_turns_unverified_into_verified(
    helo: str, recipient: str, forged: list[str], results: str, *, below: bool
) -> None:
    ours = f"Authentication-Results: {SERVER}; {results}"
    border = f"Received: from {helo} ([192.0.2.1]) by {SERVER} with ESMTPS id 1 for <{recipient}>; Mon, 23 Nov 2026"
    block = [border, ours] if below else [ours, border]
    fields, _, _ = header(("\r\n".join([*block, *forged]) + "\r\n\r\n").encode())
    assert authenticate(fields, "ana@example.com", [SERVER], below=below)[0] != "verified"


@settings(max_examples=100, deadline=None)
@given(helo=WORDS, recipient=WORDS, forged=FORGED, below=st.booleans())
def test_at_another_border_no_word_of_the_sender_verifies(
    helo: str, recipient: str, forged: list[str], *, below: bool
) -> None:
    border = (
        f"Received: from {helo} ([192.0.2.1]) by in.other.example with ESMTPS id 1 for <{recipient}>; Mon, 23 Nov 2026"
    )
    fields, _, _ = header(("\r\n".join([border, *forged]) + "\r\n\r\n").encode())
    assert authenticate(fields, "ana@example.com", [SERVER], below=below)[0] != "verified"
