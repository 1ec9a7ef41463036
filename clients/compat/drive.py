"""Runs each bot without and with aex in front of one fake provider, and checks
that it prints the same, and that the ledger holds exactly what the provider
billed, every call rounded up once to a micro-dollar. No price is told to aex:
it prices the models by its catalogue."""
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from fractions import Fraction
from math import ceil

AEX, BOTS = sys.argv[1], sys.argv[2:]
# What the providers' price pages say, in dollars per million tokens. They stand
# here a second time, so that a wrong row in the catalogue is found.
CLASSES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
PRICES = {
    "gpt-4o-mini": ("0.15", "0.60", "0.075"),
    "gpt-4o": ("2.50", "10", "1.25"),
    "gpt-5-mini": ("0.25", "2", "0.025"),
    "text-embedding-3-small": ("0.02", "0"),
    "claude-sonnet-4-5": ("3", "15", "0.30", "3.75", "6"),
    "claude-haiku-4-5": ("1", "5", "0.10", "1.25", "2"),
    "gemini-2.5-flash": ("0.30", "2.50", "0.03"),
    "gemini-2.5-pro": ("1.25", "10", "0.125"),
}
KEY = "sk-real-key-of-the-operator"
TOOL = {"name": "weather", "args": json.dumps({"city": "Oslo"})}
BEHAVIOUR = {
    "set": {"output_tokens": 40, "cached_tokens": 2},
    "models": {
        "gpt-4o": {"tool_calls": [TOOL]},
        "gpt-5-mini": {"output_tokens": 30, "reasoning_tokens": 20, "cached_tokens": 3},
        "claude-haiku-4-5": {"cache_write_5m": 61, "cache_write_1h": 17, "cached_tokens": 11},
        "gemini-2.5-pro": {"output_tokens": 30, "reasoning_tokens": 25},
    },
}
OURS = ("OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "GROQ_", "AEX_", "CI")


def call(base, path, data=None):
    body = None if data is None else json.dumps(data).encode()
    with urllib.request.urlopen(urllib.request.Request(base + path, data=body), timeout=30) as r:
        raw = r.read()
        return json.loads(raw) if raw else None


def billed(entries):
    total = 0
    for e in entries:
        if e["charged"]:
            prices = dict(zip(CLASSES, PRICES[e["model"]]))
            assert not (e["usage"]["audio_in"] or e["usage"]["audio_out"] or e["usage"]["searches"])
            total += ceil(sum(Fraction(prices[c]) * e["usage"][c] for c in CLASSES if e["usage"][c]))
    return total


class Provider:
    """A fresh provider: what it answers depends on what it was asked alone."""

    def __enter__(self):
        self.process = subprocess.Popen([AEX, "fake-provider", "--key", KEY], stdout=subprocess.PIPE, text=True)
        self.base = self.process.stdout.readline().split()[-1]
        call(self.base, "/_fake/behaviour", BEHAVIOUR)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def bill(self):
        return billed(call(self.base, "/_fake/bill")["entries"])

    def run(self, env, *argv):
        env = env | {
            "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": self.base + "/v1",
            "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": self.base,
            "GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": self.base,
        }
        return subprocess.run(argv, env=env, capture_output=True, timeout=120)


def drive(bot):
    with tempfile.TemporaryDirectory() as home:
        env = {k: v for k, v in os.environ.items() if not k.startswith(OURS)} | {"AEX_HOME": home}
        with Provider() as provider:
            bare, bill_bare = provider.run(env, *bot), provider.bill()
        report = os.path.join(home, "report.json")
        with Provider() as provider:
            run = provider.run(env, AEX, "run", "--agent", "sdk", "--budget", "5", "--report", report, "--", *bot)
            bill = provider.bill()
        booked = {"spent_micro": -1, "calls": 0}
        if os.path.exists(report):
            with open(report) as f:
                booked = json.load(f)
        audit = subprocess.run([AEX, "audit"], env=env, capture_output=True, text=True, timeout=120)
    checks = {
        "exit code 0 without aex": bare.returncode == 0,
        "exit code 0 with aex": run.returncode == 0,
        f"the same output ({len(run.stdout)} bytes)": bare.stdout == run.stdout and len(run.stdout) > 500,
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
