"""Write policy/prices.json, the built-in catalogue, from genai-prices and LiteLLM.

    pip install genai-prices==0.2.3 && pip install --no-deps litellm==1.110.2
    python make_prices.py ../../policy/prices.json     writes it
    python make_prices.py --diff                       prints where the lists differ
    python make_prices.py --rest                       lists rows whose facts are not known

`make prices`, `make prices-diff` and `make prices-rest` do that in a virtual environment.
What is kept, dropped and changed is told in docs/models.md.
"""

import argparse
import datetime
import importlib.metadata
import json
import re
import sys

import facts
import genai_list
import litellm_list
import merge

ORDER = ["p", "id", "alias", "kind", "context", "max_output", "reasoning", "off", "rates", "tiers", "bands", "date", "source", "stated", "dearest", "differ"]
EMBEDDING = re.compile(r".*embed.*", re.I)
# What makes only pictures or music: no metered route serves it.
MEDIA = re.compile(r"(chatgpt|gpt)-image-.*|lyria-.*", re.I)
# Models that search in every call: each costs a search, which chat does not count.
SEARCHES = re.compile(r".*-search-preview.*|gpt-5-search-api.*", re.I)
# The coverage that the tests hold the rows of these to, in percent.
COVERED = {**dict.fromkeys(("openai", "anthropic", "google", "groq", "mistral", "deepseek", "xai"), 95), "openrouter": 80}


def theirs_of(row, rows):
    """LiteLLM's row of the same model: by its id, else by an alias."""
    for name in [row["id"].lower(), *row.get("alias", [])]:
        if found := rows[row["p"]].get(name):
            if found["prices"] and not found["tiered"]:
                return found
    return None


def more(rows, taken, day):
    """The models that only LiteLLM has."""
    for provider, found in rows.items():
        for name, theirs in sorted(found.items()):
            undated = re.sub(r"(-20\d\d-?\d\d-?\d\d|-latest)$", "", name)
            standard = theirs["prices"].get((0, ""), {})
            embedding = theirs["mode"] == "embedding"
            if {name, undated} & taken[provider] or theirs["tiered"] or "input" not in standard or not embedding and "output" not in standard:
                continue
            if "/" in name and provider not in ("together", "fireworks", "groq", "perplexity") or re.match(r"(us|eu|global)\.", name):
                continue
            taken[provider].add(name)
            kept = {k: v for k, v in theirs["prices"].items() if "input" in v}
            yield {"p": provider, "id": theirs["id"], **merge.fields(kept), "date": day.isoformat(),
                   "source": theirs["source"] if theirs["source"].startswith("https://") else "https://docs.litellm.ai/docs/providers"}


def search_rows(rows):
    """Rows of their own for the search models that a list has among the aliases of
    one that does not search."""
    for row in rows:
        names = sorted(filter(SEARCHES.match, row.get("alias", [])), key=len)
        if row["p"] == "openai" and names and not SEARCHES.match(row["id"]):
            row["alias"] = [a for a in row["alias"] if a not in names]
            yield {**row, "rates": dict(row["rates"]), "id": names[0], "alias": names[1:]}


def catalogue(day):
    rows, skipped = genai_list.rows_of(day)
    lists = litellm_list.rows()
    differ, taken = [], {p: set() for p in lists}
    for row in rows:
        taken[row["p"]].update([row["id"].lower(), *row.get("alias", [])])
        theirs = theirs_of(row, lists)
        if theirs is None:
            continue
        own, other = merge.bands_of(row), theirs["prices"]
        if "announced" in row.get("dearest", []):  # their discount is for today's price
            other = {k: v for k, v in other.items() if k[1] != "flex" or k in own}
        prices, where = merge.merged(own, other)
        for key in ("rates", "tiers", "bands"):
            row.pop(key, None)
        row |= merge.fields(prices)
        if where:
            row["differ"] = sorted({merge.place(*w[:3]) for w in where})
            differ += [(row["p"], row["id"], theirs["key"], *w) for w in where]
    taken["fireworks"] |= {n.rpartition("/")[2] for n in taken["fireworks"]}
    rows += more(lists, taken, day)
    rows += list(search_rows(rows))
    fees = {r["id"].lower(): r["rates"]["per_search"] for r in rows if r["p"] == "openai" and SEARCHES.match(r["id"]) and "per_search" in r["rates"]}
    fees |= {r["id"].lower(): r["rates"]["per_request"] for r in rows if r["p"] == "perplexity" and "per_request" in r["rates"]}
    for row in rows:
        if row["p"] in ("openai", "openrouter") and (fee := fees.get(row["id"].lower().rpartition("/")[2])):
            row["rates"]["per_request"] = fee
        facts.fill(row, lists)
        if EMBEDDING.match(row["id"]) and "image" not in row["id"]:
            row["kind"], row["max_output"] = "embedding", 0
            row.setdefault("reasoning", "never")
    skipped += [f"{r['p']}/{r['id']}: makes no text" for r in rows if MEDIA.fullmatch(r["id"])]
    rows = [r for r in rows if not MEDIA.fullmatch(r["id"])]
    order = list(genai_list.PROVIDERS.values())
    rows.sort(key=lambda r: (order.index(r["p"]), r["id"].lower()))
    return [{k: r[k] for k in ORDER if r.get(k) or k == "max_output" and r.get("kind") == "embedding"} for r in rows], skipped, differ


def known(row):
    return "reasoning" in row and "max_output" in row and "context" in row


def coverage(rows):
    for provider, wanted in COVERED.items():
        own = [r for r in rows if r["p"] == provider]
        have = sum(map(known, own))
        yield provider, have, len(own), wanted, [r["id"] for r in own if not known(r)]


def write(path, rows, day):
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in ("genai-prices", "litellm"))
    head = {"version": 1, "date": day.isoformat(), "list": versions}
    with open(path, "w", encoding="utf-8") as f:
        f.write(json.dumps(head, separators=(",", ":"))[:-1] + ',"models":[\n')
        f.write(",\n".join(json.dumps(r, separators=(",", ":")) for r in rows))
        f.write("\n]}\n")


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("out", nargs="?", help="the file to write")
    args.add_argument("--date", type=datetime.date.fromisoformat, default=datetime.datetime.now(datetime.UTC).date())
    args.add_argument("--diff", action="store_true", help="print where the lists differ")
    args.add_argument("--rest", action="store_true", help="list the rows whose facts are not known")
    args = args.parse_args()
    rows, skipped, differ = catalogue(args.date)
    if args.out:
        write(args.out, rows, args.date)
    for provider, name, key, above, tier, kind, one, other in differ if args.diff else ():
        print(f"{provider}/{name}: {merge.place(above, tier, kind)}: genai-prices {one}, LiteLLM {other} ({key}); {max(one, other, key=float)} stands")
    for provider, have, of, wanted, rest in coverage(rows):
        print(f"{provider}: {have} of {of} rows have reasoning, longest answer and window ({100 * have / of:.1f} %, wanted {wanted} %)", file=sys.stderr)
        if args.rest:
            print("\n".join(f"{provider}/{name}" for name in rest))
    print(f"{len(rows)} models; {len(differ)} prices on which the lists differ; not billed by the token: {len(skipped)}", file=sys.stderr)


if __name__ == "__main__":
    main()
