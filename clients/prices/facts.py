"""What is known of a model beside its price: reasoning, longest answer, window.
A reviewed line (families.py, open_models.py) counts before LiteLLM's flag, and
a router's row has what its vendor's has."""

import re

from families import FAMILIES
from open_models import OPEN_MODELS

# The first part of a router's id -> whose model that is.
VENDORS = {
    "openai": "openai", "anthropic": "anthropic", "google": "google", "mistralai": "mistral", "mistral": "mistral",
    "deepseek": "deepseek", "x-ai": "xai", "moonshotai": "moonshot", "z-ai": "zai", "perplexity": "perplexity",
}
# Whose models other hosts sell under the vendors' own names.
RESOLD = {"google": ("anthropic",), "groq": (), "mistral": ("zai", "deepseek"), "azure": ("openai",)}
# What turns reasoning off through OpenRouter, where the vendor's own API can:
# https://openrouter.ai/docs/use-cases/reasoning-tokens
ROUTED_OFF = "effort enabled thinking"


def line(lines, name):
    for pattern, reasoning, off, output, context, source in lines:
        if re.fullmatch(pattern, name):
            return {"reasoning": reasoning, "off": off, "max_output": output, "context": context, "stated": source}
    return None


def spelled(vendor, name):
    """A router's name in the vendor's spelling: claude-3.5-sonnet is claude-3-5-sonnet."""
    if vendor == "anthropic":
        name = name.removesuffix("-fast").replace(".", "-")
    return name


def routed(name, rows):
    """What the vendor's row or family says of a router's model."""
    name, _, variant = name.lower().partition(":")
    if name.startswith("~"):  # stands for whatever is newest
        return None
    vendor, _, bare = name.rpartition("/")
    for who in [VENDORS[vendor]] if vendor in VENDORS else ([] if vendor else dict.fromkeys(VENDORS.values())):
        known = spelled(who, bare)
        found = of(who, known, rows) or of(who, spelled(who, known.removesuffix("-pro")), rows)
        if found and found["reasoning"]:
            break
    else:
        found = line(OPEN_MODELS, name)
    if not found:
        return None
    found = dict(found)
    if found["off"] or found["reasoning"] == "request":
        found["off"] = ROUTED_OFF
    if variant == "thinking":
        found["reasoning"], found["off"] = "always", ""
    return found


def of(provider, name, rows):
    """What is known of a provider's own model."""
    found = line(FAMILIES.get(provider, ()), name)
    theirs = rows.get(provider, {}).get(name)
    if theirs is None:
        dated = re.sub(r"-(20\d\d-?\d\d-?\d\d|latest|\d{4})$", "", name)
        theirs = rows.get(provider, {}).get(dated)
    if found is None and (theirs is None or not theirs["reasoning"]):
        for vendor in RESOLD.get(provider, ()):
            found = found or of(vendor, re.sub(r"^zai-", "", name), rows)
    if found is None and theirs is None and provider in ("together", "fireworks", "cerebras", "groq"):
        found = line(OPEN_MODELS, re.sub(r"(?<=\d)p(?=\d)", ".", name.rpartition("/")[2]))
    if found is None and theirs is None:
        return None
    found = dict(found or {"reasoning": "", "off": "", "max_output": 0, "context": 0, "stated": ""})
    if theirs:
        found["max_output"] = max(found["max_output"], theirs["max_output"])
        found["context"] = max(found["context"], theirs["context"])
        if not found["reasoning"]:
            found["reasoning"], found["off"] = theirs["reasoning"], theirs["off"]
            found["stated"] = "LiteLLM" if theirs["reasoning"] else ""
    return found


def fill(row, rows):
    """Adds the facts to a catalogue row."""
    names = [row["id"].lower(), *row.get("alias", [])]
    if row["p"] == "openrouter":
        found = routed(names[0], rows)
    else:
        found = next((f for f in (of(row["p"], n, rows) for n in names) if f and f["reasoning"]), None) or of(row["p"], names[0], rows)
    if not found:
        return
    row["context"] = max(row.get("context", 0), found["context"])
    row["max_output"] = found["max_output"]
    if not row["max_output"] and row["p"] == "openrouter" and found["context"]:
        row["max_output"] = row["context"]
    if not row["max_output"] and row["p"] == "xai":  # https://docs.x.ai/docs/models states no limit but the window
        row["max_output"] = row["context"]
    if row["context"]:
        row["max_output"] = min(row["max_output"], row["context"])
    for key in ("reasoning", "off", "stated"):
        if found[key]:
            row[key] = found[key]
