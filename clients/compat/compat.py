"""make compat: every program of programs.py, unchanged, without aex, under aex
run, against aex serve, under a budget that is too small, and where everybody
else is a listener; and the page that says how it went. compat.py AEX CACHE
[--ci | --past | NAME...]"""
import concurrent.futures
import json
import os
import sys

import programs
from checks import check, sealed
from installs import agents, node_programs, python_programs, run
from user import ROOT


def write(results, path):
    with open(path, "w") as f:
        f.write("# Programs that were tried with aex\n\nWritten by `make compat`, which installs each program from its registry and drives it, unchanged, against a fake\n"
                "provider that keeps its own bill: without aex; under `aex run` (agents behind `sh -c`); against `aex serve` with what\n"
                "`aex env` prints; and under a budget that is too small. Each makes three tool calls in a row where it has tools.\n\n"
                "- *same*: exit 0, and the answers of a run without aex. *ledger*: booked is billed, to the micro-dollar, and `aex audit`\n"
                "  passes. *serve*: the same against `aex serve`, for LangGraph, CrewAI and AutoGen also as\n"
                "  `aex.integrations` sets it. *small*: it stops by itself or is stopped, not with 0, nothing is spent beyond the budget, and\n"
                "  its user sees aex's sentence. *after*: requests after the first refusal. *?*: not looked at in this run.\n"
                "- *past*: in a network where every name leads to a listener, with every variable of a base URL set to the provider's\n"
                "  own host: no request to a model, and none with the key or the run's token, came to that listener.\n\n")
        f.write("| program | version | same | ledger | serve | small | past | calls | after |\n|---|---|---|---|---|---|---|---|---|\n")
        mark = lambda ok: "?" if ok is None else "yes" if ok else "**no**"
        number = lambda n: "?" if n is None else str(n)
        for r in results:
            c = r["checks"]
            if not c:
                f.write("| %s | %s | | | | | | | |\n" % (r["name"], r["version"]))
                continue
            f.write("| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n" % (r["name"], r["version"], mark(c["aex run"]), mark(c["ledger = bill"] and c["audit"]),
                    mark(c["aex serve"]), mark(c["small budget"]), mark(c.get("nothing past")), number(r["calls"]), number(r["after"])))
        f.write("\n## Not tried, or not to be led\n\n")
        for name, why in programs.MISSING:
            f.write("- **%s**: %s.\n" % (name, why))
        f.write("\n## Other hosts that programs asked\n\nUpdates, telemetry and lists, in that network: no request of these was for a model or had a key.\n\n")
        for r in results:
            if r.get("hosts"):
                f.write("- %s: %s\n" % (r["name"], ", ".join(r["hosts"])))


def result(results, name):
    return os.path.join(results, name.replace("/", "-") + ".json")


def known(results, name):
    """What came of the program when it was last driven; None: it never was."""
    if not os.path.exists(result(results, name)):
        return None
    with open(result(results, name)) as f:
        return json.load(f)


def main():
    aex, cache, wants = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]
    past = "--past" in wants  # of what is known already, that check alone
    wants = [w for w in wants if w != "--past"]
    os.makedirs(cache, exist_ok=True)
    if not os.path.exists(os.path.join(cache, "uvboot", "bin", "uv")):
        run([sys.executable, "-m", "venv", os.path.join(cache, "uvboot")], check=True)
        run([os.path.join(cache, "uvboot", "bin", "pip"), "install", "-q", "uv"], check=True)
    wanted = lambda p: p.ci if wants == ["--ci"] else not wants or p.name in wants
    run(["go", "build", "-o", os.path.join(cache, "sealed"), "./clients/compat/sealed"], cwd=ROOT, check=True)
    results = os.path.join(cache, "results")
    os.makedirs(results, exist_ok=True)
    failed = []

    def one(p):
        if not p.argv:
            return {"name": p.name, "kind": p.kind, "version": p.version, "checks": {}, "calls": 0, "after": None, "notes": [p.version]}
        r = known(results, p.name)
        if past and r and r["checks"]:
            r["checks"]["nothing past"], r["hosts"] = sealed(aex, p, r["notes"])
            return r
        return check(aex, p, brief=wants == ["--ci"])

    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("COMPAT_JOBS", "2"))) as pool:
        # What is installed is driven while the next is being installed.
        found = [pool.submit(one, p) for make in (python_programs, node_programs, agents) for p in make(cache, wanted)]
        for r in (f.result() for f in found):
            bad = [what for what, ok in r["checks"].items() if not ok]
            print("%-24s %-46s %s" % (r["name"], r["version"], "ok" if not bad and r["checks"] else "FAIL " + ", ".join(bad)), flush=True)
            if bad or not r["checks"]:
                failed.append(r["name"])
                for note in r["notes"]:
                    print("    " + note.replace("\n", "\n    "), flush=True)
            if wants != ["--ci"]:
                with open(result(results, r["name"]), "w") as f:
                    json.dump(r, f, indent=1)
    if wants != ["--ci"]:
        order = [row[0] for row in programs.PYTHON + programs.SCRIPTS + programs.AGENTS]
        write([r for r in (known(results, n) for n in order) if r], os.environ.get("COMPAT_PAGE") or os.path.join(ROOT, "docs", "compatibility.md"))
    print("%d passed, %d failed" % (len(found) - len(failed), len(failed)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
