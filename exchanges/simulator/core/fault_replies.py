"""What a client gets instead of the truth: broken transports, spoilt bodies, refusals in the venue's words."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from functools import lru_cache

from exchanges.simulator.core.binance import refusals as binance
from exchanges.simulator.core.bithumb import refusals as bithumb
from exchanges.simulator.core.errors import RefusalError
from exchanges.simulator.core.fault_shapes import reshaped_book, retyped
from exchanges.simulator.core.krw.refusals import NamedRefusalError, refuse
from exchanges.simulator.core.values import BINANCE, BITHUMB, HTML_TYPE, Fault, Reply, json_reply

HANG_MS = 60_000
DRIP_MS = 1000
# What only the transport can do to a connection.
TRANSPORT = frozenset({"hang", "fin", "rst", "truncated", "drip", "delay", "flood"})
MEBIBYTE = 1024 * 1024
_MEMBER_MEBIBYTES = 16

Args = Mapping[str, object]


def spoil(action: str, args: Args, venue: str, truth: Reply) -> Reply | Fault:
    """Return what the client gets instead of the truth."""
    if action in TRANSPORT:
        return _transport_fault(action, args, truth)
    if action == "refuse_connections":  # a connection that was open before the port closed
        return Fault(action="rst", reply=truth)
    if "json" in args:
        return json_reply(args["json"], _whole(args, "status", 400))
    return _SPOILERS[action](args, venue, truth)


def _whole(args: Args, name: str, default: int) -> int:
    return int(str(args.get(name, default)))


def _transport_fault(action: str, args: Args, truth: Reply) -> Fault:
    milliseconds = _whole(args, "milliseconds", DRIP_MS if action == "drip" else HANG_MS)
    size = _whole(args, "mebibytes", 1024) * MEBIBYTE
    return Fault(action=action, reply=truth, milliseconds=milliseconds, size=size)


def _status(args: Args, venue: str, truth: Reply) -> Reply:
    del venue, truth
    return _page(_whole(args, "status", 500))


def _page(status: int) -> Reply:
    page = f"<html><head><title>{status}</title></head><body>cloudflare</body></html>"
    return Reply(status=status, body=page.encode(), content_type=HTML_TYPE)


def _garbage(args: Args, venue: str, truth: Reply) -> Reply:
    del venue
    kind = str(args.get("kind", "empty"))
    bodies = {
        "empty": b"",
        "object": b"{}",
        "list": b"[]",
        "html": b"<html><body>please wait</body></html>",
        "truncated": truth.body[: len(truth.body) // 2],
        "bom": b"\xef\xbb\xbf" + truth.body[:-1],
        "wrong_type": truth.body,
    }
    is_html = kind in {"html", "wrong_type"}
    return Reply(
        status=truth.status,
        body=bodies[kind],
        content_type=HTML_TYPE if is_html else truth.content_type,
    )


def _refused(venue: str, *, code: int, name: str, text: str | None = None) -> Reply:
    """Return a refusal in the venue's own form."""
    if venue == BINANCE:
        return binance.refuse(code, text=text).reply
    return _korean(venue, refuse(name)).reply


def _korean(venue: str, refusal: NamedRefusalError) -> NamedRefusalError:
    return bithumb.in_own_words(refusal) if venue == BITHUMB else refusal


def _duplicate(args: Args, venue: str, truth: Reply) -> Reply:
    del args, truth
    name = "duplicate_client_order_id" if venue == BITHUMB else "duplicated_identifier"
    return _refused(venue, code=-2010, name=name, text=binance.DUPLICATE)


def _insufficient(args: Args, venue: str, truth: Reply) -> Reply:
    del args, truth
    return _refused(venue, code=-2010, name="insufficient_funds_bid", text=binance.INSUFFICIENT)


def _refusal(args: Args, venue: str, truth: Reply) -> Reply:
    """Return the refusal that `code` (Binance) or `name` (the others) says."""
    del truth
    if venue != BINANCE:
        status = _whole(args, "status", 0) or None
        return _korean(venue, refuse(str(args["name"]), status=status)).reply
    code = _whole(args, "code", 0)
    refusal = binance.refuse(code, text=binance.text_of(code), status=_whole(args, "status", 400))
    return refusal.reply


def _limiter(args: Args, venue: str, truth: Reply) -> Reply:
    """Return what the venue's limiter, or the firewall before it, says."""
    del truth
    kind = str(args.get("kind", "429"))
    if kind == "waf":
        return _page(403)
    status = 418 if kind == "418" else 429
    refusal: RefusalError
    if venue == BINANCE:
        refusal = binance.refuse(-1003, text=binance.text_of(-1003), status=status)
    else:
        refusal = refuse("too_many_requests", status=status)
    wait = () if kind == "429_silent" else (("Retry-After", str(args.get("seconds", 7))),)
    return Reply(status=status, body=refusal.reply.body, headers=wait)


def _redirect(args: Args, venue: str, truth: Reply) -> Reply:
    del venue
    target = str(args.get("location", ""))
    return Reply(
        status=_whole(args, "status", 302),
        body=truth.body,
        content_type=truth.content_type,
        headers=(("Location", target),),
    )


def _bomb(args: Args, venue: str, truth: Reply) -> Reply:
    """Return a body of about a thousandth of what it unpacks to."""
    del venue
    members = -(-_whole(args, "mebibytes", 1024) // _MEMBER_MEBIBYTES)
    return Reply(
        status=_whole(args, "status", truth.status),
        body=_member() * members,
        content_type=truth.content_type,
        headers=(("Content-Encoding", "gzip"),),
    )


@lru_cache(maxsize=1)
def _member() -> bytes:
    """Return one gzip member of blanks; members in a row are one stream."""
    return gzip.compress(b" " * (_MEMBER_MEBIBYTES * MEBIBYTE), mtime=0)


def _book(args: Args, venue: str, truth: Reply) -> Reply:
    if truth.status != 200:
        return truth
    return json_reply(reshaped_book(truth.body, venue, args))


def _retype(args: Args, venue: str, truth: Reply) -> Reply:
    del venue
    return json_reply(retyped(truth.body, args), truth.status, truth.headers)


_SPOILERS: dict[str, Callable[[Args, str, Reply], Reply]] = {
    "status": _status,
    "garbage": _garbage,
    "duplicate": _duplicate,
    "insufficient": _insufficient,
    "refusal": _refusal,
    "limiter": _limiter,
    "redirect": _redirect,
    "bomb": _bomb,
    "book": _book,
    "retype": _retype,
}
ACTIONS = TRANSPORT | {"refuse_connections"} | frozenset(_SPOILERS)
