"""make tenturns: real agents, unchanged, finish a task of ten tool turns that
costs $0.30 under --budget 0.50. tenturns.py AEX CACHE [--broken] [NAME...]

--broken: the task costs $0.19, and one answer in ten is cut off in its middle.
Each runs first with money to spare, to see how long its answers have to be for
the task to cost $0.30, and then under the budget."""
import json
import os
import sys

import fake
from installs import agents, run
from user import Home, variables

TURNS, BUDGET = 10, "0.50"
# name -> model, the output tokens' price in micro-dollars, the command line
MODELS = {
    "Claude Code": ("claude-sonnet-4-5", 15, ["claude", "-p", "{prompt}", "--model", "claude-sonnet-4-5", "--allowedTools", "Bash"]),
    "Codex": ("gpt-5", 10, ["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m", "gpt-5", "{prompt}"]),
    "opencode": ("claude-sonnet-4-5", 15, ["opencode", "run", "-m", "anthropic/claude-sonnet-4-5", "{prompt}"]),
    "pi": ("claude-sonnet-4-5", 15, ["pi", "-p", "--provider", "anthropic", "--model", "claude-sonnet-4-5", "{prompt}"]),
}


def attempt(aex, p, budget, reasoning, fault=None):
    """Runs the agent once: its exit code, report, bill, and what it did."""
    tool, argument = p.tool
    model = MODELS[p.name][0]
    how = {"models": {model: {"caches": True, "reasoning_tokens": reasoning, "chunk_tokens": 50, **(fault or {})}}}
    with Home(p) as home, fake.Provider(aex, how) as provider:
        home.prompt = "Do the steps. [[tool*%d %s %s]]" % (TURNS, tool, json.dumps({argument: "echo step >> steps.log", "description": "step"}))
        report = os.path.join(home.path, "report.json")
        argv = [aex, "run", "-a", "ten", "-b", budget, "--report", report, "--", *home.program(p)]
        code, out, err, log, took = home.start(p, argv, variables(p, provider.base))
        booked = json.load(open(report)) if os.path.exists(report) else {}
        entries = [e for e in provider.entries() if e["charged"]]
        counts = [e for e in provider.entries() if e["wire"] == "count_tokens"]
        audit = run([aex, "audit"], env=home.env).returncode
        return {"code": code, "turns": log.count("step\n"), "bill": fake.billed(entries), "calls": [e for e in entries if e["asked"] == model],
                "counts": len(counts), "report": booked, "said": (out + err)[-900:], "took": round(took), "audit": audit}


def drive(aex, p, broken):
    cost = 190_000 if broken else 300_000
    price = MODELS[p.name][1]
    first = attempt(aex, p, "50", 0)
    if first["code"] != 0 or first["turns"] != TURNS:
        return False, "with money to spare: exit %s, %d turns: %s" % (first["code"], first["turns"], first["said"])
    reasoning = max(1, (cost - first["bill"]) // (price * len(first["calls"])))
    more = attempt(aex, p, "50", reasoning)  # what it thought may be read again
    reasoning = max(1, reasoning * (cost - first["bill"]) // max(1, more["bill"] - first["bill"]))
    second = attempt(aex, p, BUDGET, reasoning, {"fault": "cut", "after": 3, "one_in": 10} if broken else None)
    r = second["report"]
    booked = r.get("spent_micro", -1) + r.get("overrun_micro", 0)
    exact = booked == second["bill"] or broken and booked >= second["bill"] and r["in_doubt_calls"] > 0
    ok = (second["code"] == 0 and second["turns"] == TURNS and exact and r["overrun_micro"] == 0 and second["audit"] == 0
          and cost * 0.95 <= second["bill"])
    figures = "exit %s, %d turns, %s calls, %s refused, %s clamped, %d counts, $%.4f of $%s, billed $%.4f (%d s)" % (
        second["code"], second["turns"], r.get("calls"), r.get("refused"), r.get("clamped"), second["counts"], booked / 1e6, BUDGET, second["bill"] / 1e6, second["took"])
    return ok, figures if ok else figures + ": " + second["said"]


def main():
    aex, cache = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    broken = "--broken" in sys.argv[3:]
    names = [a for a in sys.argv[3:] if a != "--broken"] or list(MODELS)
    failed = []
    for p in agents(cache, lambda p: p.name in names and p.name in MODELS):
        p.argv = MODELS[p.name][2]
        ok, said = drive(aex, p, broken)
        print("%s %s: %s: %s" % ("ok  " if ok else "FAIL", p.name, p.version, said), flush=True)
        if not ok:
            failed.append(p.name)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
