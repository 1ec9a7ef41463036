"""The fake provider, and what it bills: the providers' prices stand here a
second time, so that a wrong row in aex's catalogue is found."""
import json
import subprocess
import urllib.request
from fractions import Fraction
from math import ceil

KEY = "sk-real-key-of-the-operator"
# Dollars per million tokens, as the providers' price pages say.
CLASSES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
PRICES = {
    "gpt-4o-mini": ("0.15", "0.60", "0.075"),
    "gpt-4o": ("2.50", "10", "1.25"),
    "gpt-5-mini": ("0.25", "2", "0.025"),
    "gpt-5-nano": ("0.05", "0.40", "0.005"),
    "gpt-5": ("1.25", "10", "0.125"),
    "gpt-5.4-nano": ("0.20", "1.25", "0.02"),
    "text-embedding-3-small": ("0.02", "0"),
    "claude-sonnet-4-5": ("3", "15", "0.30", "3.75", "6"),
    "claude-haiku-4-5": ("1", "5", "0.10", "1.25", "2"),
    "claude-haiku-4-5-20251001": ("1", "5", "0.10", "1.25", "2"),
    "gemini-2.5-flash": ("0.30", "2.50", "0.03"),
    "gemini-2.5-flash-lite": ("0.10", "0.40", "0.01"),
    "gemini-2.5-pro": ("1.25", "10", "0.125"),
    "llama-3.3-70b-versatile": ("0.59", "0.79"),
}


def call(base, path, data=None):
    body = None if data is None else json.dumps(data).encode()
    with urllib.request.urlopen(urllib.request.Request(base + path, data=body), timeout=30) as r:
        raw = r.read()
        return json.loads(raw) if raw else None


def billed(entries):
    """Micro-dollars, every call rounded up once."""
    total = 0
    for e in entries:
        if e["charged"]:
            prices = dict(zip(CLASSES, PRICES[e["model"]]))
            assert not (e["usage"]["audio_in"] or e["usage"]["audio_out"] or e["usage"]["searches"])
            total += ceil(sum(Fraction(prices[c]) * e["usage"][c] for c in CLASSES if e["usage"][c]))
    return total


class Provider:
    """A fresh provider: what it answers depends on what it was asked alone."""

    def __init__(self, aex, behaviour=None):
        self.aex, self.behaviour = aex, behaviour

    def __enter__(self):
        self.process = subprocess.Popen([self.aex, "fake-provider", "--key", KEY, "--models", ",".join(PRICES)], stdout=subprocess.PIPE, text=True)
        self.base = self.process.stdout.readline().split()[-1]
        if self.behaviour:
            call(self.base, "/_fake/behaviour", self.behaviour)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def entries(self):
        return call(self.base, "/_fake/bill")["entries"]

    def bill(self):
        return billed(self.entries())
