"""Runs each bot without and with aex in front of one fake provider, and checks
that it prints the same, and that the ledger holds exactly what the provider
billed, every call rounded up once to a micro-dollar."""
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from fractions import Fraction
from math import ceil

AEX, BOTS = sys.argv[1], sys.argv[2:]
# Dollars per million tokens: input, output. The gateway gets them by --price.
PRICES = {"gpt-4o-mini": ("0.15", "0.60"), "gpt-4o": ("2.50", "10")}
KEY = "sk-real-key-of-the-operator"


def call(base, path, data=None):
    body = None if data is None else json.dumps(data).encode()
    with urllib.request.urlopen(urllib.request.Request(base + path, data=body), timeout=30) as r:
        raw = r.read()
        return json.loads(raw) if raw else None


def billed(entries):
    total = 0
    for e in entries:
        if not e["charged"]:
            continue
        u = e["usage"]
        price_in, price_out = (Fraction(p) for p in PRICES[e["model"]])
        tokens_in = u.get("input", 0) + u.get("cache_read", 0)
        total += ceil(tokens_in * price_in + u.get("output", 0) * price_out)
    return total


class Provider:
    """A fresh provider: what it answers depends on what it was asked alone."""

    def __enter__(self):
        self.process = subprocess.Popen([AEX, "fake-provider", "--key", KEY], stdout=subprocess.PIPE, text=True)
        self.base = self.process.stdout.readline().split()[-1]
        tool = {"name": "weather", "args": json.dumps({"city": "Oslo"})}
        call(self.base, "/_fake/behaviour", {"set": {"output_tokens": 40}, "models": {"gpt-4o": {"tool_calls": [tool]}}})
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def bill(self):
        return billed(call(self.base, "/_fake/bill")["entries"])

    def run(self, env, *argv):
        env = env | {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": self.base + "/v1"}
        return subprocess.run(argv, env=env, capture_output=True, timeout=120)


def drive(bot):
    with tempfile.TemporaryDirectory() as home:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "AEX_", "CI"))} | {"AEX_HOME": home}
        with Provider() as provider:
            bare, bill_bare = provider.run(env, *bot), provider.bill()
        prices = [f"--price={m}={i}/{o}" for m, (i, o) in PRICES.items()]
        report = os.path.join(home, "report.json")
        with Provider() as provider:
            run = provider.run(env, AEX, "run", "--agent", "sdk", "--budget", "5", "--report", report, *prices, "--", *bot)
            bill = provider.bill()
        with open(report) as f:
            booked = json.load(f)
        audit = subprocess.run([AEX, "audit"], env=env, capture_output=True, text=True, timeout=120)
    checks = {
        "exit code 0 without aex": bare.returncode == 0,
        "exit code 0 with aex": run.returncode == 0,
        "the same output": bare.stdout == run.stdout and len(run.stdout) > 500,
        f"ledger {booked['spent_micro']} == bill {bill} micro-dollars": booked["spent_micro"] == bill > 0,
        f"the bill is that of a run without aex ({bill_bare})": bill_bare == bill,
        "the ledger's audit passes": audit.returncode == 0,
    }
    print("--", " ".join(os.path.basename(b) for b in bot), f"({booked['calls']} calls)")
    for what, ok in checks.items():
        print("   ", "ok  " if ok else "FAIL", what)
    if not all(checks.values()):
        print(bare.stderr.decode()[-2000:], run.stderr.decode()[-2000:], audit.stdout[-2000:])
        for a, b in zip(bare.stdout.splitlines(), run.stdout.splitlines()):
            if a != b:
                print(f"without: {a.decode()[:800]}\nwith:    {b.decode()[:800]}")
                break
    return all(checks.values())


sys.exit(0 if all([drive(bot.split()) for bot in BOTS]) else 1)
