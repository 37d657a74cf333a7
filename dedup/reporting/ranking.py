"""Which facility to connect next.

A repeat can be avoided only when the facility that orders and the facility whose result lies there are both connected.
So the gain of connecting one facility depends on those connected before it: after each step the one with the largest
gain comes next. Where no single facility gains anything, the two that gain most together do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["gains", "greedy", "largest_first"]

#: (orderer, source) → avoidable repeats.
Pairs = Mapping[tuple[str, str], int]


def greedy(pairs: Pairs, connected: Iterable[str]) -> list[str]:
    """The facilities not yet connected, in the order of connecting, until nothing more is gained.

    Of equals the one with more repeats in sight (with facilities not connected yet) comes first, then the smaller code.
    """
    weights = _weights(pairs)
    done = set(connected)
    gain = {code: sum(n for other, n in near.items() if other in done) for code, near in weights.items()}
    waiting = {code: sum(near.values()) - gain[code] for code, near in weights.items()}
    order: list[str] = []

    def connect(code: str) -> None:
        done.add(code)
        order.append(code)
        for other, number in weights[code].items():
            gain[other] += number
            waiting[other] -= number

    while left := [code for code in weights if code not in done]:
        best = min(left, key=lambda code: (-gain[code], -waiting[code], code))
        if gain[best] > 0:
            connect(best)
            continue
        couples = [(-n, code, other) for code in left for other, n in weights[code].items() if code < other]
        couples = [couple for couple in couples if couple[2] not in done]
        if not couples:
            break
        _, one, other = min(couples)
        connect(one)
        connect(other)
    return order


def largest_first(lines: Mapping[str, int], connected: Iterable[str]) -> list[str]:
    """The facilities not yet connected by how many order lines they have: the plan that comes to mind first."""
    done = set(connected)
    return sorted((code for code in lines if code not in done), key=lambda code: (-lines[code], code))


def gains(pairs: Pairs, connected: Iterable[str], order: Sequence[str]) -> list[int]:
    """How many repeats each step of ``order`` makes avoidable."""
    weights = _weights(pairs)
    done, steps = set(connected), []
    for code in order:
        steps.append(sum(n for other, n in weights.get(code, {}).items() if other in done))
        done.add(code)
    return steps


def _weights(pairs: Pairs) -> dict[str, dict[str, int]]:
    """code → other code → repeats in either direction."""
    found: dict[str, dict[str, int]] = {}
    for (one, other), number in sorted(pairs.items()):
        if number > 0 and one != other:
            for near, far in ((one, other), (other, one)):
                row = found.setdefault(near, {})
                row[far] = row.get(far, 0) + number
    return found
