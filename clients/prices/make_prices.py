"""Write policy/prices.json, the built-in price catalogue, from genai-prices.

    pip install genai-prices==0.2.3 && python make_prices.py ../../policy/prices.json

`make prices` does that in a virtual environment. The list is
https://github.com/pydantic/genai-prices (MIT licence). What this keeps, drops
and changes is told in docs/models.md.
"""

import argparse
import datetime
import importlib.metadata
import json
import re
import sys
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

# Limits that the list does not have, by provider and id: longest answer and
# context window. From the providers' model pages:
#   https://developers.openai.com/api/docs/models
#   https://platform.claude.com/docs/en/about-claude/models/overview
#   https://ai.google.dev/gemini-api/docs/models
#   https://console.groq.com/docs/models
#   https://api-docs.deepseek.com/quick_start/pricing
# The first pattern that matches the whole id counts. Where none does, the
# longest answer is not known and docs/models.md says what stands for it.
LIMITS = {
    "openai": [
        (r"gpt-5(\.\d+)?-chat.*", 16_384, 128_000),
        (r"gpt-[56].*", 128_000, 400_000),
        (r"gpt-4\.1.*", 32_768, 1_047_576),
        (r"gpt-4o-2024-05-13", 4_096, 128_000),
        (r"(chatgpt-)?gpt-4o.*|chatgpt-4o.*", 16_384, 128_000),
        (r"gpt-(audio|4\.5).*|gpt-chat-latest", 16_384, 128_000),
        (r"gpt-oss.*", 65_536, 131_072),
        (r"gpt-4-32k.*", 32_768, 32_768),
        (r"gpt-4-turbo.*|gpt-4-(1106|0125|vision).*", 4_096, 128_000),
        (r"gpt-4.*", 8_192, 8_192),
        (r"gpt-3\.5-turbo-instruct.*", 4_096, 4_096),
        (r"gpt-3\.5-turbo.*", 4_096, 16_385),
        (r"o1-mini.*", 65_536, 128_000),
        (r"o1-preview.*", 32_768, 128_000),
        (r"(o1|o3|o4).*", 100_000, 200_000),
        (r"codex-mini.*", 100_000, 200_000),
        (r"(davinci|babbage)-002", 16_384, 16_384),
        (r"text-embedding.*", 0, 8_192),
    ],
    "anthropic": [
        (r"claude-3-(opus|sonnet|haiku).*", 4_096, 200_000),
        (r"claude-3-5.*", 8_192, 200_000),
        (r"claude-3-7.*", 128_000, 200_000),
        (r"claude-opus-4(-[01])?(-\d{8})?", 32_000, 200_000),
        (r"claude-sonnet-4(-[05])?(-\d{8})?", 64_000, 1_000_000),
        (r"claude-(opus-4-5|haiku-4-5).*", 64_000, 200_000),
        (r"claude-(opus|sonnet|haiku|fable|mythos)-[4-9].*", 128_000, 1_000_000),
        (r"claude-(2|instant|v1).*", 4_096, 200_000),
    ],
    "google": [
        (r"gemini-.*embedding.*|text-embedding.*", 0, 8_192),
        (r"gemini-.*(image|tts).*", 32_768, 1_048_576),
        (r"gemini-(2\.5|3).*", 65_536, 1_048_576),
        (r"gemini-(2\.0|1\.5).*", 8_192, 2_097_152),
        (r"gemini-.*", 65_536, 1_048_576),
        (r"gemma-3.*", 8_192, 131_072),
    ],
    "groq": [
        (r"llama-3\.1-8b-instant", 131_072, 131_072),
        (r"llama-3\.3-70b-versatile", 32_768, 131_072),
        (r"openai/gpt-oss-(20b|120b)", 65_536, 131_072),
        (r"meta-llama/llama-4-.*", 8_192, 131_072),
        (r"moonshotai/kimi-k2.*", 16_384, 262_144),
        (r"qwen/qwen3-32b", 40_960, 131_072),
    ],
    "deepseek": [
        (r"deepseek-chat", 8_192, 131_072),
        (r"deepseek-reasoner", 65_536, 131_072),
    ],
}


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


def limits(provider, name):
    for pattern, output, context in LIMITS.get(provider, []):
        if re.fullmatch(pattern, name):
            return output, context
    return None, None


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
    output, context = limits(ours, model.id)
    verified = re.findall(r"(?:verified|checked) on (20\d\d-\d\d-\d\d)", model.price_comments or "")
    made = {"p": ours, "id": model.id, "alias": aliases(provider, model)}
    made["context"] = max(model.context_window or 0, context or 0)
    made["max_output"] = output or 0
    made |= band(0)
    made["bands"] = [{"above": s} | band(s + 1) for s in starts]
    made["date"] = max(verified) if verified else day.isoformat()
    made["source"] = (provider.pricing_urls or [""])[0]
    made["dearest"] = sorted(notes)
    return {k: v for k, v in made.items() if v or k == "rates"}


def catalogue(day):
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
    order = list(PROVIDERS.values())
    rows.sort(key=lambda r: (order.index(r["p"]), r["id"].lower()))
    return rows, skipped


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("out", help="the file to write")
    args.add_argument("--date", type=datetime.date.fromisoformat, default=datetime.datetime.now(datetime.UTC).date())
    args = args.parse_args()
    rows, skipped = catalogue(args.date)
    head = {"version": 1, "date": args.date.isoformat(), "list": f"genai-prices {importlib.metadata.version('genai-prices')}"}
    with open(args.out, "w", encoding="utf-8") as f:
        f.write(json.dumps(head, separators=(",", ":"))[:-1] + ',"models":[\n')
        f.write(",\n".join(json.dumps(r, separators=(",", ":")) for r in rows))
        f.write("\n]}\n")
    print(f"{len(rows)} models; not billed by the token: {len(skipped)}", file=sys.stderr)
    for line in skipped:
        print("  " + line, file=sys.stderr)


if __name__ == "__main__":
    main()
