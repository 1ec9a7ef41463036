"""Compare aex's prices with genai-prices' own calculator.

    python compare.py [--models 200] [--seed 1]

Draws models from policy/prices.json and usages at random, lets `go test` price
them by policy.Cost and the list price them itself, and fails where the two are
not the same to the micro-dollar, rounded up. `make compare-prices` runs it in
the environment that `make prices` uses. Left out are rows in which aex merges
classes that the list tells apart (dearest in the catalogue).
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
from decimal import Decimal

from genai_prices import Usage, data

from genai_list import PROVIDERS

ROOT = pathlib.Path(__file__).resolve().parents[2]


def draw(rng, row):
    """A usage in classes that do not overlap, of classes that the row prices."""
    def count(most):
        return rng.choice([0, 1, rng.randrange(1000), rng.randrange(most)])

    rates = row["rates"]
    usage = {"Input": count(500_000)}
    for ours, field in (("cache_read", "CacheRead"), ("cache_write_5m", "CacheWrite5m"), ("cache_write_1h", "CacheWrite1h"),
                        ("audio_in", "AudioIn"), ("audio_out", "AudioOut")):
        usage[field] = count(200_000) if ours in rates else 0
    if usage["CacheWrite5m"] == 0 and "cache_write_5m" not in rates:
        usage["CacheWrite1h"] = 0
    usage["Output"] = count(100_000) if "output" in rates else 0
    usage["Searches"] = count(20) if "per_search" in rates else 0
    return usage


def theirs(provider, model, usage, tier, day):
    """The list's price; its input and output hold their subclasses."""
    u = usage
    writes = u["CacheWrite5m"] + u["CacheWrite1h"]
    fields = {
        "input_tokens": u["Input"] + u["CacheRead"] + writes + u["AudioIn"],
        "cache_read_tokens": u["CacheRead"],
        "cache_write_tokens": writes,
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


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--models", type=int, default=200)
    args.add_argument("--usages", type=int, default=20, help="of each model")
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    catalogue = json.loads((ROOT / "policy/prices.json").read_text())
    day = datetime.date.fromisoformat(catalogue["date"])
    rng = random.Random(args.seed)
    rows = [r for r in catalogue["models"] if not r.get("dearest")]
    rows = rng.sample(rows, min(args.models, len(rows)))
    providers = {PROVIDERS[p.id]: p for p in data.providers if p.id in PROVIDERS}
    questions, answers = [], []
    for row in rows:
        provider = providers[row["p"]]
        model = next(m for m in provider.models if m.id == row["id"])
        for _ in range(args.usages):
            usage, tier = draw(rng, row), rng.choice(["", *row.get("tiers", {})])
            questions.append({"Provider": row["p"], "Model": rng.choice([row["id"], *row.get("alias", [])]), "Tier": tier, "Usage": usage})
            answers.append(theirs(provider, model, usage, tier, day))
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = pathlib.Path(folder, "questions.json"), pathlib.Path(folder, "answers.json")
        asked.write_text(json.dumps(questions))
        env = os.environ | {"AEX_PRICE_QUESTIONS": str(asked), "AEX_PRICE_ANSWERS": str(answered)}
        subprocess.run(["go", "test", "-count=1", "-run", "^TestPriceQuestions$", "./policy"], cwd=ROOT, env=env, check=True)
        ours = json.loads(answered.read_text())
    wrong = 0
    for question, want, got in zip(questions, answers, ours, strict=True):
        if want != got:
            wrong += 1
            print(f"{question}: list {want}, aex {got}")
    print(f"{len(rows)} models, {len(questions)} usages, {wrong} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
