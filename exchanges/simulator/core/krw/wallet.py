"""Wallet routes that the Korean venues share: rows, limits, wallet states, keys, addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from exchanges.simulator.core import allowances
from exchanges.simulator.core.catalog import Network
from exchanges.simulator.core.chain import Deposit, Withdrawal
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import refuse
from exchanges.simulator.core.krw.render import account_view, moment
from exchanges.simulator.core.numbers import ZERO, plain
from exchanges.simulator.core.values import UPBIT, Reply, json_reply
from exchanges.simulator.core.world import World

_RowT = TypeVar("_RowT", Withdrawal, Deposit)
YEAR_MS = 365 * 86_400_000


def find_network(world: World, params: Params) -> Network:
    """Return the asked network of an asset, its first one if none is named, or refuse."""
    asset = params.need("currency")
    network = params.get("net_type")
    if network is None:
        network = next((n for a, n in world.networks if a == asset), None)
    found = world.networks.get((asset, network or ""))
    if found is None:
        raise refuse("currency_does_not_exist")
    return found


def allowed_view(
    world: World, params: Params, owner: Mapping[str, str | None]
) -> list[dict[str, object]]:
    """Return the addresses the account may withdraw to, with how the venue tells whose they are."""
    titles = {key: network.title for key, network in world.networks.items()}
    return [
        {
            "currency": row.asset,
            "net_type": row.network,
            "network_name": titles.get((row.asset, row.network), row.network),
            "withdraw_address": row.address,
            "secondary_address": row.tag or None,
            "exchange_name": row.owner,
            **owner,
        }
        for row in world.wallet.allowed.get(params.venue, [])
    ]


def withdrawals_at(world: World, venue: str) -> dict[str, Withdrawal]:
    """Return the venue's withdrawals that its reads show already."""
    since = world.wall_ms - world.read_lag_ms(venue)
    rows = world.wallet.withdrawals.items()
    return {key: row for key, row in rows if row.venue == venue and row.created_ms <= since}


def filtered(
    rows: Iterable[_RowT], params: Params, state_of: Callable[[_RowT], str]
) -> list[_RowT]:
    """Return the rows that pass a list route's filters, states as the venue calls them."""
    return [row for row in rows if _passes(row, params, state_of(row))]


def _passes(row: Withdrawal | Deposit, params: Params, state: str) -> bool:
    own_id = row.venue_withdrawal_id if isinstance(row, Withdrawal) else row.venue_deposit_id
    wanted = (
        ([params.get("currency")], row.asset),
        ([params.get("net_type")], row.network),
        (params.many("state") or params.many("states"), state),
        (params.many("uuids"), own_id),
        (params.many("txids"), row.txid),
    )
    return all(not any(asked) or value in asked for asked, value in wanted)


def page(views: list[dict[str, object]], params: Params) -> Reply:
    """Return a page of rows, newest first unless asked otherwise; `from` and `to` are cursors."""
    limit, number = params.whole("limit", 100, 100), params.whole("page", 1, 1_000_000)
    ids = [view["uuid"] for view in views]
    after, before = params.get("from"), params.get("to")
    if before in ids:
        views = views[: ids.index(before)]
    if after in ids:
        views = views[ids.index(after) + 1 :]
    if params.get("order_by") != "asc":
        views.reverse()
    return json_reply(views[(number - 1) * limit : number * limit])


def pick(rows: dict[str, _RowT], params: Params) -> _RowT | None:
    """Return one row: by uuid (which wins), by txid, or the latest."""
    uuid, txid, asset = params.get("uuid"), params.get("txid"), params.get("currency")
    return rows.get(uuid) if uuid is not None else latest(rows, txid, asset)


def latest(rows: dict[str, _RowT], txid: str | None, asset: str | None) -> _RowT | None:
    """Return the latest row with the txid and asset, where given."""
    fitting = [r for r in rows.values() if txid in {None, r.txid} and asset in {None, r.asset}]
    return fitting[-1] if fitting else None


def withdrawal_chance(world: World, params: Params) -> Reply:
    """Return fee, minimum and limits of withdrawing an asset on a network."""
    network = find_network(world, params)
    terms = network.wallets[params.venue]
    daily = plain(world.settings.daily_withdrawal[params.venue])
    told = terms.told(world.market_ms)
    delayed = allowances.delayed_krw(world) if params.venue == UPBIT else ZERO
    return json_reply(
        {
            "member_level": _MEMBER,
            "currency": {
                "code": network.asset,
                "withdraw_fee": plain(terms.withdraw_fee),
                "is_coin": True,
                "wallet_state": _WALLET_STATES[told],
                "wallet_support": _supported(told),
            },
            "account": account_view(world, params.venue, network.asset),
            "withdraw_limit": {
                "currency": network.asset,
                "minimum": plain(terms.withdraw_min),
                "onetime": daily,
                "daily": daily,
                "remaining_daily": "0.0",
                "remaining_daily_fiat": plain(allowances.left_today(world, params.venue)),
                "fiat_currency": "KRW",
                "fixed": terms.withdraw_decimals,
                "withdraw_delayed_fiat": plain(delayed),
                "can_withdraw": told[1],
            },
        }
    )


_MEMBER = {
    "security_level": 4,
    "fee_level": 0,
    "email_verified": True,
    "identity_auth_verified": True,
    "bank_account_verified": True,
    "two_factor_auth_verified": True,
    "locked": False,
    "wallet_locked": False,
}


_WALLET_STATES = {
    (True, True): "working",
    (False, True): "withdraw_only",
    (True, False): "deposit_only",
    (False, False): "paused",
}


def _supported(told: tuple[bool, bool]) -> list[str]:
    return [way for way, is_open in zip(("deposit", "withdraw"), told, strict=True) if is_open]


def wallet_status(world: World, params: Params) -> Reply:
    """Return each wallet's state, as late as the venue's own page."""
    venue = params.venue
    rows = [row for row in world.networks.values() if _told(world, venue, row).get("listed", True)]
    return json_reply([_status(world, venue, row) for row in rows])


def _told(world: World, venue: str, network: Network) -> dict[str, object]:
    """Give what the control port lets the venue say of an asset on a network."""
    return world.told.get((venue, network.asset, network.network), {})


def _status(world: World, venue: str, network: Network) -> dict[str, object]:
    told = network.wallets[venue].told(world.market_ms, is_late=True)
    now = datetime.fromtimestamp(world.wall_ms // 1000, tz=UTC)
    return {
        "currency": network.asset,
        "wallet_state": _WALLET_STATES[told],
        "block_state": "normal",
        "block_height": 90_000_000 + world.market_ms // network.block_ms,
        "block_updated_at": now.isoformat(timespec="milliseconds"),
        "block_elapsed_minutes": 0,
        "net_type": network.network,
        "network_name": _told(world, venue, network).get("network_title", network.title),
    }


def api_keys(world: World, params: Params) -> Reply:
    """Return the account's keys and when they expire."""
    keys = [key for key in world.keys.values() if key.venue == params.venue]
    rows = [(key.access, key.expires_ms or world.wall_ms + YEAR_MS) for key in keys]
    return json_reply([{"access_key": key, "expire_at": moment(at_ms)} for key, at_ms in rows])
