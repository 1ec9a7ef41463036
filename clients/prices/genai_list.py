"""Reads genai-prices (https://github.com/pydantic/genai-prices, MIT licence) in
the form of the catalogue's rows. What this keeps, drops and changes is told in
docs/models.md.
"""

import datetime
import re
from decimal import ROUND_CEILING, Decimal

from genai_prices import data
from genai_prices.types import ClauseEquals, ClauseOr, StartDateConstraint, TieredPrices, TimeOfDateConstraint

# Their name of a provider -> ours.
PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "groq": "groq",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "x-ai": "xai",
    "together": "together",
    "fireworks": "fireworks",
    "cerebras": "cerebras",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "moonshotai": "moonshot",
    "zai": "zai",
    "azure": "azure",
}

# Their class of usage -> ours, and how many of a unit the price is for.
CLASSES = {
    "input_mtok": ("input", 1),
    "cache_read_mtok": ("cache_read", 1),
    "cache_write_mtok": ("cache_write_5m", 1),
    "cache_write_5m_mtok": ("cache_write_5m", 1),
    "cache_write_1h_mtok": ("cache_write_1h", 1),
    "output_mtok": ("output", 1),
    "input_audio_mtok": ("audio_in", 1),
    "output_audio_mtok": ("audio_out", 1),
    "web_searches_kcount": ("per_search", 1000),
    "requests_kcount": ("per_request", 1000),
}

# Classes that usage does not tell apart: the dearest stands for both.
MERGED = {
    "input_text_mtok": "input",
    "input_image_mtok": "input",
    "input_video_mtok": "input",
    "cache_image_read_mtok": "cache_read",
    "output_text_mtok": "output",
    "output_image_mtok": "output",
    "output_video_mtok": "output",
    "output_reasoning_mtok": "output",
    "output_citation_mtok": "output",
}

# Cached audio is billed as audio; searches in the provider's own files are
# bounded by the dearer web search.
IGNORED = {"cache_audio_read_mtok", "storage_searches_kcount"}

# Published ids that the list covers by a prefix only. Each is checked against
# the list's own search.
MORE = {
    "google": {
        "gemini-1.5-flash": ["gemini-1.5-flash-001", "gemini-1.5-flash-002"],
        "gemini-1.5-pro": ["gemini-1.5-pro-001", "gemini-1.5-pro-002"],
        "gemini-2.0-flash": ["gemini-2.0-flash-001", "gemini-2.0-flash-exp"],
        "gemini-2.0-flash-lite": ["gemini-2.0-flash-lite-001"],
        "gemini-2.5-pro": ["gemini-2.5-pro-preview-05-06", "gemini-2.5-pro-preview-06-05"],
        "gemini-2.5-flash-lite": ["gemini-2.5-flash-lite-preview-09-2025"],
        "gemini-3.1-pro-preview": ["gemini-3.1-pro-preview-customtools"],
    },
    "anthropic": {"claude-opus-4-0": ["claude-opus-4"], "claude-sonnet-4-0": ["claude-sonnet-4"]},
}


class Skip(Exception):
    """The row is not billed by the token."""


def decimal(value, per, notes):
    """Dollars a unit as plain text; what is finer than a pico-dollar a token rounds up."""
    value = value / per
    places = 6 if per == 1 else 12
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_CEILING)
    if rounded != value:
        notes.add("rounded")
    text = format(rounded, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def at(value, tokens):
    """The price of a class with so many input tokens."""
    if isinstance(value, TieredPrices):
        price = value.base
        for tier in value.tiers:
            if tokens > tier.start:
                price = tier.price
        return price
    return value


def rates(price, tokens, notes):
    found = {}
    prices = {k: at(v, tokens) for k, v in vars(price).items() if v is not None}
    for key, value in prices.items():
        if key in CLASSES:
            name, per = CLASSES[key]
            if key == "cache_write_mtok" and "cache_write_5m_mtok" in prices:
                continue
            found[name] = (value, per)
        elif key not in MERGED and key not in IGNORED:
            raise Skip(f"billed by {key}")
    for key, name in MERGED.items():
        if key not in prices:
            continue
        if name in found and prices[key] > found[name][0]:
            found[name] = (prices[key], 1)
            notes.add(key.removesuffix("_mtok"))
        elif name not in found and name != "cache_read":
            found[name] = (prices[key], 1)
            notes.add(key.removesuffix("_mtok"))
    if "input" not in found:
        raise Skip("no input price")
    return {name: decimal(value, per, notes) for name, (value, per) in found.items()}


def thresholds(price):
    return {t.start for v in vars(price).values() if isinstance(v, TieredPrices) for t in v.tiers}


def dearest(all_rates):
    merged = {}
    for r in all_rates:
        for name, value in r.items():
            if name not in merged or Decimal(value) > Decimal(merged[name]):
                merged[name] = value
    return merged


def moments(model, day, notes):
    """When to ask for the price: now, at every hour where it goes by the hour,
    and on the days for which another price is announced. The dearest counts."""
    prices = model.prices if isinstance(model.prices, list) else []
    hours = [12]
    if any(isinstance(p.constraint, TimeOfDateConstraint) for p in prices):
        notes.add("time_of_day")
        hours = range(24)
    days = {day}
    for p in prices:
        if isinstance(p.constraint, StartDateConstraint) and p.constraint.start_date > day:
            notes.add("announced")
            days.add(p.constraint.start_date)
    return [datetime.datetime(d.year, d.month, d.day, h, tzinfo=datetime.UTC) for d in sorted(days) for h in hours]


def tiers(model):
    found = {}
    for variant in model.price_variants or []:
        when = dict(variant.when)
        if list(when) == ["service_tier"] and when["service_tier"] in ("flex", "priority", "fast"):
            # OpenAI answers "fast" as "priority"; the catalogue knows the answer's name.
            name = "priority" if when["service_tier"] == "fast" else when["service_tier"]
            found.setdefault(name, []).append(when)
        elif when == {"speed": "fast"}:
            found.setdefault("fast", []).append(when)
    return found


def aliases(provider, model):
    """Ids that stand for this model exactly. No prefixes, no patterns."""
    def clauses(match):
        if isinstance(match, ClauseEquals):
            yield match.equals
        elif isinstance(match, ClauseOr):
            for clause in match.or_:
                yield from clauses(clause)

    found = {a.lower() for a in clauses(model.match)}
    more = list(MORE.get(provider.id, {}).get(model.id, []))
    if model.id.endswith("-latest"):
        more.append(model.id.removesuffix("-latest"))
    for name in more:
        if provider.find_model(name) is model:
            found.add(name.lower())
    return sorted(found - {model.id.lower()})


def row(provider, model, day):
    notes = set()
    when = moments(model, day, notes)
    prices = [model.get_prices(t) for t in when]
    starts = sorted(set().union(*(thresholds(p) for p in prices)) - {0})
    named = {name: [model.get_prices(when[0], c) for c in contexts] for name, contexts in tiers(model).items()}
    for variant in named.values():
        starts = sorted(set(starts).union(*(thresholds(p) for p in variant)) - {0})

    def band(tokens):
        out = {"rates": dearest(rates(p, tokens, notes) for p in prices)}
        if named:
            out["tiers"] = {n: dearest(rates(p, tokens, notes) for p in ps) for n, ps in sorted(named.items())}
        return out

    ours = PROVIDERS[provider.id]
    verified = re.findall(r"(?:verified|checked) on (20\d\d-\d\d-\d\d)", model.price_comments or "")
    made = {"p": ours, "id": model.id, "alias": aliases(provider, model)}
    made["context"] = model.context_window or 0
    made |= band(0)
    made["bands"] = [{"above": s} | band(s + 1) for s in starts]
    made["date"] = max(verified) if verified else day.isoformat()
    made["source"] = (provider.pricing_urls or [""])[0]
    made["dearest"] = sorted(notes)
    return {k: v for k, v in made.items() if v or k == "rates"}


def rows_of(day):
    """The rows, and what the list has that is not billed by the token."""
    rows, skipped = [], []
    for provider in data.providers:
        if provider.id not in PROVIDERS:
            continue
        taken = {m.id.lower() for m in provider.models}
        for model in provider.models:
            if model.id.startswith("ft:") or model.id.endswith("-"):
                skipped.append(f"{provider.id}/{model.id}: not a model's name")
                continue
            try:
                made = row(provider, model, day)
            except Skip as why:
                skipped.append(f"{provider.id}/{model.id}: {why}")
                continue
            # An id is its own row's; the first row that lists an alias has it,
            # as in the list's own search.
            if "alias" in made:
                made["alias"] = [a for a in made["alias"] if a not in taken]
                taken.update(made["alias"])
                if not made["alias"]:
                    del made["alias"]
            rows.append(made)
    return rows, skipped
