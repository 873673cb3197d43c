"""How the Korean venues take a withdrawal: to an allowed address, within the wallet's terms."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from exchanges.simulator.core import allowances, wallet
from exchanges.simulator.core.catalog import Network, Wallet
from exchanges.simulator.core.chain import AllowedAddress, Withdrawal
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import missing, refuse
from exchanges.simulator.core.krw.wallet import find_network
from exchanges.simulator.core.numbers import decimals_of
from exchanges.simulator.core.values import UPBIT
from exchanges.simulator.core.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A withdrawal that is asked for, to an address of the account's allow-list."""

    network: Network
    amount: Decimal
    allowed: AllowedAddress


def asked(world: World, params: Params) -> Asked:
    """Read what is asked for; refuse an address that is not allowed."""
    params.need("net_type")
    network = find_network(world, params)
    amount, address = params.decimal("amount"), params.need("address")
    if amount is None:
        raise missing("amount")
    tag = params.get("secondary_address") or ""
    allowed = _allowed_row(world, params.venue, network, address, tag)
    if allowed is None:
        raise refuse("withdraw_address_not_registered")
    return Asked(network=network, amount=amount, allowed=allowed)


def send(world: World, venue: str, what: Asked) -> Withdrawal:
    """Accept a withdrawal, or refuse what the wallet's terms forbid."""
    network = what.network
    terms = network.wallets[venue]
    _check_terms(world, venue, what, terms)
    row = Withdrawal(
        venue=venue,
        venue_withdrawal_id=world.new_withdrawal_id(venue),
        client_id=None,
        asset=network.asset,
        network=network.network,
        address=what.allowed.address,
        tag=what.allowed.tag,
        quantity=what.amount,
        fee=terms.withdraw_fee,
        created_ms=world.wall_ms,
    )
    wallet.accept(world, row)
    return row


def _check_terms(world: World, venue: str, what: Asked, terms: Wallet) -> None:
    if not terms.can_withdraw:
        raise refuse("withdraw_wallet_not_working")
    if decimals_of(what.amount) > terms.withdraw_decimals:
        raise refuse("withdraw_decimal_exceeded")
    if what.amount < terms.withdraw_min:
        raise refuse("withdraw_under_minimum")
    asset, leaving = what.network.asset, what.amount + terms.withdraw_fee
    if world.free(venue, asset) < leaving:
        raise refuse("withdraw_insufficient_balance")
    if allowances.worth(world, venue, asset, leaving) > allowances.left_today(world, venue):
        raise refuse("withdraw_daily_limit_exceeded")
    if venue == UPBIT and not allowances.leaves_delayed(world, asset, leaving):
        raise refuse("withdraw_delayed_fiat")


def _allowed_row(
    world: World, venue: str, network: Network, address: str, tag: str
) -> AllowedAddress | None:
    """Return the address as the account's allow-list has it; None: it may not withdraw there."""
    wanted = (network.asset, network.network, address, tag)
    rows = world.wallet.allowed.get(venue, [])
    return next((r for r in rows if (r.asset, r.network, r.address, r.tag) == wanted), None)
