"""Puts the two lists together: of two prices the dearer stands, and the row
says where the lists differ."""

from decimal import Decimal

# Tiers that cost no less than the standard one.
DEARER = ("priority", "fast", "ultrafast")
# A tier that does not price both is no price.
NEEDED = ("input",)


def bands_of(row):
    """A catalogue row's prices by (band, tier)."""
    found = {}
    for band in [{"above": 0, **{k: row[k] for k in ("rates", "tiers") if k in row}}, *row.get("bands", [])]:
        found[(band["above"], "")] = dict(band["rates"])
        for tier, rates in band.get("tiers", {}).items():
            found[(band["above"], tier)] = dict(rates)
    return found


def at(prices, above, tier):
    """The prices that hold above so many input tokens."""
    best = max((a for a, t in prices if t == tier and a <= above), default=None)
    return prices[(best, tier)] if best is not None else {}


def merged(ours, theirs):
    """Both, the dearer of each class, and the differences as (place, class, one, other)."""
    differ = []
    steps = sorted({a for a, _ in ours} | {a for a, _ in theirs})
    tiers = sorted({t for _, t in ours} | {t for _, t in theirs})
    out = {}
    for above in steps:
        for tier in tiers:
            one, other = at(ours, above, tier), at(theirs, above, tier)
            both = dict(one)
            for name, price in other.items():
                if name in one and Decimal(one[name]) != Decimal(price):
                    differ.append((above, tier, name, one[name], price))
                # A discount that one list has for what the other prices otherwise
                # may be that of another model; without it the price is that of input.
                if name == "cache_read" and name not in one and one.get("input") not in (None, other.get("input")):
                    continue
                if name not in one or Decimal(price) > Decimal(one[name]):
                    both[name] = price
            # Fees are the same in every band and tier: the lowest one has them.
            if above or tier:
                both = {n: p for n, p in both.items() if not n.startswith("per_") or n in one}
            if tier in DEARER: # of another list's, which has a lower standard
                both |= {n: p for n, p in out.get((above, ""), {}).items() if n in both and Decimal(p) > Decimal(both[n])}
            if both and (tier == "" or all(n in both for n in NEEDED)):
                out[(above, tier)] = both
    return out, differ


def place(above, tier, name):
    """How a row names the place of a difference."""
    return ".".join(p for p in (tier, name, f"above {above}" if above else "") if p)


def fields(prices):
    """The members of a catalogue row."""
    made = {"rates": prices[(0, "")]}
    if tiers := {t: r for (a, t), r in prices.items() if a == 0 and t}:
        made["tiers"] = dict(sorted(tiers.items()))
    bands, last = [], (made["rates"], made.get("tiers", {}))
    for above in sorted({a for a, _ in prices} - {0}):
        rates = prices.get((above, ""), {})
        tiers = {t: r for (a, t), r in prices.items() if a == above and t}
        if (rates, tiers) != last:
            bands.append({"above": above, "rates": rates, **({"tiers": dict(sorted(tiers.items()))} if tiers else {})})
            last = (rates, tiers)
    if bands:
        made["bands"] = bands
    return made
