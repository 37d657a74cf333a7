"""95% intervals of a share of order lines that know a patient's lines are alike.

The lines of one person are no independent draws: somebody tested daily brings many repeats at once. So the variance
of the share is that of a ratio estimator over persons (Cochran, Sampling Techniques, 3rd ed., §6.3), and the interval
is Wilson's with the effective number of lines that this variance stands for, cut down for few persons by the
squared ratio of the normal and the t quantile (Korn & Graubard, Survey Methodology 24, 1998).
"""

from __future__ import annotations

import math

__all__ = ["interval"]

_Z = 1.959963984540054  # the normal distribution's 97.5% quantile


def interval(persons: int, lines: int, hits: int, nn: int, yn: int, yy: int) -> tuple[float, float] | None:
    """Low and high end for ``hits`` of ``lines`` among ``persons``; None when there are no lines.

    ``nn``, ``yn``, ``yy``: over the persons, the sums of lines², hits × lines and hits².
    """
    if lines == 0:
        return None
    share = hits / lines
    size = float(lines)
    if 0 < hits < lines and persons > 1:
        # lines² · yy − 2 · lines · hits · yn + hits² · nn, in whole numbers: no cancellation
        spread = lines * lines * yy - 2 * lines * hits * yn + hits * hits * nn
        variance = persons / (persons - 1) * spread / lines**4
        if variance > 0:
            size = min(size, share * (1 - share) / variance)
    else:
        # nothing varies to learn from: each person counts once
        size = lines * lines / nn
    if persons > 1:
        size *= (_Z / _t(persons - 1)) ** 2
    return _wilson(share, size)


def _wilson(share: float, size: float) -> tuple[float, float]:
    middle = share + _Z**2 / (2 * size)
    reach = _Z * math.sqrt(share * (1 - share) / size + _Z**2 / (4 * size**2))
    scale = 1 + _Z**2 / size
    low = 0.0 if share == 0 else max((middle - reach) / scale, 0.0)
    high = 1.0 if share == 1 else min((middle + reach) / scale, 1.0)
    return low, high


def _t(freedom: int) -> float:
    """The t distribution's 97.5% quantile: exact for 1 and 2, else Abramowitz & Stegun 26.7.5."""
    if freedom == 1:
        return math.tan(math.pi * 0.475)
    if freedom == 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    z, n = _Z, freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(n) ** power for power, term in enumerate(terms, start=1))
