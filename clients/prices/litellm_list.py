"""Reads LiteLLM's price list, model_prices_and_context_window_backup.json of
its PyPI package (MIT licence), in the form of the catalogue's rows.
"""

import importlib.util
import json
import pathlib
import re
from decimal import ROUND_CEILING, Decimal

# Our provider -> theirs, of which the prefix of the id is dropped.
PROVIDERS = {
    "openai": ("openai", "text-completion-openai"),
    "anthropic": ("anthropic",),
    "google": ("gemini",),
    "groq": ("groq",),
    "mistral": ("mistral",),
    "deepseek": ("deepseek",),
    "xai": ("xai",),
    "together": ("together_ai",),
    "fireworks": ("fireworks_ai", "fireworks_ai-embedding-models"),
    "cerebras": ("cerebras",),
    "openrouter": ("openrouter",),
    "perplexity": ("perplexity",),
    "moonshot": ("moonshot",),
    "zai": ("zai",),
    "azure": ("azure",),
}

# Their key, without band and tier -> our class.
CLASSES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "cache_creation_input_token_cost_above_12hr": "cache_write_12h",
    "input_cost_per_audio_token": "audio_in",
    "output_cost_per_audio_token": "audio_out",
    "input_cost_per_request": "per_request",
}
TIERS = ("flex", "priority", "ultrafast", "balanced")
MODES = ("chat", "completion", "responses", "embedding")
BAND = re.compile(r"_above_(\d+)k_tokens")


def load():
    found = importlib.util.find_spec("litellm")
    path = pathlib.Path(found.origin).parent / "model_prices_and_context_window_backup.json"
    return json.loads(path.read_text(), parse_float=Decimal, parse_int=Decimal)


def text(value, per_million):
    """Dollars as plain text; what is finer than a pico-dollar a token rounds up."""
    if per_million:
        value = (value * 1_000_000).quantize(Decimal("0.000001"), rounding=ROUND_CEILING)
    else:
        value = value.quantize(Decimal("0.000000000001"), rounding=ROUND_CEILING)
    out = format(value, "f")
    return out.rstrip("0").rstrip(".") if "." in out else out


def prices(theirs):
    """The prices by (band, tier) -> class -> text."""
    found = {}
    for key, value in theirs.items():
        if not isinstance(value, Decimal) or value < 0:
            continue
        name, above, tier = key, 0, ""
        if band := BAND.search(name):
            above = int(band[1]) * 1000
            name = name.replace(band[0], "")
        for t in TIERS:
            if name.endswith("_" + t):
                name, tier = name.removesuffix("_" + t), t
        ours = CLASSES.get(name)
        if ours is None or ours.startswith("cache_write") and value == 0:
            continue
        rates = found.setdefault((above, tier), {})
        priced = text(value, not ours.startswith("per_"))
        if ours not in rates or Decimal(priced) > Decimal(rates[ours]):
            rates[ours] = priced
    if fast := (theirs.get("provider_specific_entry") or {}).get("fast"):
        for (above, tier), rates in list(found.items()):
            if tier == "":
                found[(above, "fast")] = {c: text(Decimal(p) * fast, False) for c, p in rates.items()}
    search = theirs.get("search_context_cost_per_query")
    if isinstance(search, dict) and (0, "") in found:
        dearest = max((v for v in search.values() if isinstance(v, Decimal)), default=Decimal(0))
        if dearest > 0:
            found[(0, "")]["per_search"] = text(dearest, False)
    return found


def reasoning(provider, theirs):
    """What the list states: (reasoning, off), or two empty texts. A missing flag
    states nothing."""
    said = theirs.get("supports_reasoning")
    if theirs.get("thinking_always_on") is True:
        return "always", ""
    if theirs.get("thinking_on_by_default") is True:
        return "default", "thinking"
    if said is False and provider not in ("perplexity",):
        return "never", ""
    if said is not True:
        return "", ""
    if provider == "anthropic":
        return "request", "thinking"
    if theirs.get("default_reasoning_effort") == "none":
        return "request", "effort"
    if theirs.get("supports_none_reasoning_effort") is True or "none" in (theirs.get("reasoning_effort_levels") or ()):
        return "default", "effort"
    return "always", ""


def rows():
    """Provider -> id in lower case -> row: prices, limits, reasoning."""
    found = {p: {} for p in PROVIDERS}
    whose = {t: ours for ours, theirs in PROVIDERS.items() for t in theirs}
    for key, theirs in load().items():
        provider = whose.get(theirs.get("litellm_provider"))
        if provider is None or theirs.get("mode") not in (*MODES, None) or key.startswith("ft:"):
            continue
        name = key
        for prefix in PROVIDERS[provider]:
            name = name.removeprefix(prefix + "/")
        priced = prices(theirs)
        says, off = reasoning(provider, theirs)
        found[provider].setdefault(name.lower(), {
            "key": key, "id": name, "prices": priced, "mode": theirs.get("mode"),
            "context": int(theirs.get("max_input_tokens") or 0),
            "max_output": int(theirs.get("max_output_tokens") or 0),
            "reasoning": says, "off": off, "source": theirs.get("source") or "",
            "tiered": bool(theirs.get("tiered_pricing")),
        })
    return found
