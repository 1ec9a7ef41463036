"""Compare aex's prices with both lists' own calculators.

    python compare.py [--models 200] [--usages 20] [--seed 1]

Draws models from policy/prices.json and usages at random, lets `go test` price
them by policy.Cost, and genai-prices and LiteLLM price them themselves. Where one
of them says another amount, to the micro-dollar and rounded up, the model is
listed with the reason; it fails where there is none. `make prices-compare` runs it.
"""

import argparse
import datetime
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from decimal import Decimal

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # the package's own list, not the newest

import litellm
from genai_prices import Usage, data
from litellm.types.utils import CacheCreationTokenDetails, CompletionTokensDetailsWrapper, PromptTokensDetailsWrapper
from litellm.types.utils import Usage as LiteLLMUsage

import genai_list
import litellm_list
import merge
from genai_list import PROVIDERS
from make_prices import theirs_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLASSES = {"Input": "input", "CacheRead": "cache_read", "CacheWrite5m": "cache_write_5m", "CacheWrite1h": "cache_write_1h",
           "AudioIn": "audio_in", "AudioOut": "audio_out", "Output": "output", "Searches": "per_search"}


def draw(rng, row):
    """A usage in classes that do not overlap, of classes that the row prices."""
    def count(most):
        return rng.choice([0, 1, rng.randrange(1000), rng.randrange(most)])

    rates = row["rates"]
    usage = {"Input": count(500_000)}
    for field in ("CacheRead", "CacheWrite5m", "CacheWrite1h", "AudioIn", "AudioOut"):
        usage[field] = count(200_000) if CLASSES[field] in rates else 0
    if usage["CacheWrite5m"] == 0 and "cache_write_5m" not in rates:
        usage["CacheWrite1h"] = 0
    usage["Output"] = count(100_000) if "output" in rates else 0
    usage["Searches"] = count(20) if "per_search" in rates else 0
    return usage


def prompt_of(usage):
    return sum(usage[f] for f in ("Input", "CacheRead", "CacheWrite5m", "CacheWrite1h", "AudioIn"))


def up(dollars):
    """Micro-dollars, rounded up; what floating point adds is no amount."""
    return math.ceil((Decimal(dollars) * 1_000_000).quantize(Decimal("0.00001")))


def by_genai(provider, model, u, tier, day):
    """The list's price; its input and output hold their subclasses."""
    fields = {
        "input_tokens": prompt_of(u),
        "cache_read_tokens": u["CacheRead"],
        "cache_write_tokens": u["CacheWrite5m"] + u["CacheWrite1h"],
        "cache_write_1h_tokens": u["CacheWrite1h"],
        "input_audio_tokens": u["AudioIn"],
        "cache_audio_read_tokens": 0,
        "output_tokens": u["Output"] + u["AudioOut"],
        "output_audio_tokens": u["AudioOut"],
        "web_searches": u["Searches"],
    }
    context = {"": None, "fast": {"speed": "fast"}}.get(tier, {"service_tier": tier})
    when = datetime.datetime(day.year, day.month, day.day, 12, tzinfo=datetime.UTC)
    price = model.calc_price(Usage(**fields), provider, genai_request_timestamp=when, price_context=context)
    return math.ceil(price.total_price * Decimal(1_000_000))


def by_litellm(key, u, tier):
    """LiteLLM's price of the tokens: fees are no part of it."""
    writes = u["CacheWrite5m"] + u["CacheWrite1h"]
    usage = LiteLLMUsage(
        prompt_tokens=prompt_of(u), completion_tokens=u["Output"] + u["AudioOut"], total_tokens=prompt_of(u) + u["Output"] + u["AudioOut"],
        cache_read_input_tokens=u["CacheRead"], cache_creation_input_tokens=writes,
        prompt_tokens_details=PromptTokensDetailsWrapper(
            cached_tokens=u["CacheRead"], audio_tokens=u["AudioIn"], text_tokens=u["Input"], cache_creation_tokens=writes,
            cache_creation_token_details=CacheCreationTokenDetails(ephemeral_5m_input_tokens=u["CacheWrite5m"], ephemeral_1h_input_tokens=u["CacheWrite1h"])),
        completion_tokens_details=CompletionTokensDetailsWrapper(audio_tokens=u["AudioOut"], text_tokens=u["Output"], reasoning_tokens=0))
    mode = "embedding" if litellm.model_cost[key].get("mode") == "embedding" else "completion"
    costs = litellm.cost_per_token(model=key, custom_llm_provider=litellm.model_cost[key]["litellm_provider"], usage_object=usage, service_tier=tier or None, call_type=mode)
    return up(sum(Decimal(c) for c in costs))


def differing(row, usage, tier):
    """The places of the row where the lists differ and that the usage touches."""
    used = {CLASSES[f] for f, n in usage.items() if n} | {"per_request"}
    places = []
    for place in row.get("differ", []):
        parts = place.split(".")
        kind = next((p for p in parts if p in CLASSES.values() or p.startswith(("cache_write", "per_"))), "")
        of_tier = parts[0] if parts[0] != kind else ""
        if (kind in used or kind == "") and of_tier in ("", tier):
            places.append(place)
    return places


def reason(row, usage, tier, ours, theirs, other, standard):
    """Why a list, whose own row is other, says another amount; "" for no reason.
    standard is what it says without a tier."""
    if row.get("dearest") and ours >= theirs:
        return "usage cannot tell classes apart, and the dearest stands"
    if places := differing(row, usage, tier):
        return f"the lists differ on {', '.join(places)}; the dearer of each class stands" if ours >= theirs else ""
    if row["rates"].get("per_request") and ours > theirs:
        return "a fee for each request"
    prices = other["prices"]
    if tier and (0, tier) not in prices:
        return f"no price for tier {tier}"
    if tier and standard == theirs:
        return f"its calculator takes no tier {tier} here" if ours >= theirs else ""
    known = prices.get((0, tier)) or prices.get((0, ""), {})
    fees = prices.get((0, ""), {})
    if missing := [CLASSES[f] for f, n in usage.items() if n and CLASSES[f] not in (fees if f == "Searches" else known)]:
        # Without a price of its own a cache read costs what input does.
        return f"no price for {', '.join(missing)}" if ours >= theirs or missing == ["cache_read"] else ""
    above = [b["above"] for b in row.get("bands", []) if prompt_of(usage) > b["above"]]
    if above and not any(a == above[-1] for a, _ in prices):
        return f"no price above {above[-1]} tokens" if ours >= theirs else ""
    plain = sum(Decimal(prices.get((0, ""), {}).get(CLASSES[f], 0)) * n for f, n in usage.items() if f != "Searches")
    if above and not tier and math.ceil(plain) == theirs:
        return f"its calculator takes no price above {above[-1]} tokens here" if ours >= theirs else ""
    written = sum(Decimal(prices.get((0, ""), {}).get("input" if f.startswith("CacheWrite") else CLASSES[f], 0)) * n for f, n in usage.items() if f != "Searches")
    if not above and not tier and math.ceil(written) == theirs:
        return "its calculator takes cache writes for input here" if ours >= theirs else ""
    return ""


def ask(questions):
    """What policy.Cost says."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = pathlib.Path(folder, "questions.json"), pathlib.Path(folder, "answers.json")
        asked.write_text(json.dumps(questions))
        env = os.environ | {"AEX_PRICE_QUESTIONS": str(asked), "AEX_PRICE_ANSWERS": str(answered)}
        subprocess.run(["go", "test", "-count=1", "-run", "^TestPriceQuestions$", "./policy"], cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)
        return json.loads(answered.read_text())


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--models", type=int, default=200)
    args.add_argument("--usages", type=int, default=20, help="of each model")
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    catalogue = json.loads((ROOT / "policy/prices.json").read_text())
    day = datetime.date.fromisoformat(catalogue["date"])
    rng = random.Random(args.seed)
    rows = rng.sample(catalogue["models"], min(args.models, len(catalogue["models"])))
    genai_rows = {(r["p"], r["id"]): {"prices": merge.bands_of(r)} for r in genai_list.rows_of(day)[0]}
    providers = {PROVIDERS[p.id]: p for p in data.providers if p.id in PROVIDERS}
    lists = litellm_list.rows()
    questions, cases = [], []
    for row in rows:
        provider = providers.get(row["p"])
        model = next((m for m in provider.models if m.id == row["id"]), None) if provider else None
        other = theirs_of(row, lists)
        for _ in range(args.usages):
            usage, tier = draw(rng, row), rng.choice(["", *row.get("tiers", {})])
            name = rng.choice([row["id"], *row.get("alias", [])])
            for u in (usage, usage | {"Searches": 0}):
                questions.append({"Provider": row["p"], "Model": name, "Tier": tier, "Usage": u})
            genai = [by_genai(provider, model, usage, t, day) for t in (tier, "")] if model else None
            lite = [by_litellm(other["key"], usage, t) for t in (tier, "")] if other else None
            cases.append((row, usage, tier, genai, lite, other))
    ours = ask(questions)
    listed, equal, wrong = defaultdict(Counter), Counter(), 0
    for (row, usage, tier, genai, lite, other), whole, tokens in zip(cases, ours[::2], ours[1::2], strict=True):
        name = f"{row['p']}/{row['id']}"
        for who, said, got, own, drawn in (("genai-prices", genai, whole, genai_rows.get((row["p"], row["id"])), usage),
                                           ("LiteLLM", lite, tokens, other, usage | {"Searches": 0})):
            if said is None:
                listed[name][f"{who} does not have it"] += 1
            elif said[0] == got:
                equal[who] += 1
            elif why := reason(row, drawn, tier, got, said[0], own, said[1]):
                listed[name][f"{who}: {why}"] += 1
            else:
                wrong += 1
                print(f"NO REASON: {name} {tier} {usage}: {who} {said[0]}, aex {got}")
    for name, why in sorted(listed.items()):
        for text, times in sorted(why.items()):
            print(f"{name}: {text} ({times} of {args.usages} usages)")
    print(f"{len(rows)} models, {len(cases)} usages: {equal['genai-prices']} prices are those of genai-prices, {equal['LiteLLM']} those of LiteLLM; {wrong} differ without a reason")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
