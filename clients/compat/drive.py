"""Runs each bot without and with aex in front of one fake provider, and checks
that it prints the same, and that the ledger holds exactly what the provider
billed, every call rounded up once to a micro-dollar. No price is told to aex:
it prices the models by its catalogue."""
import json
import os
import subprocess
import sys
import tempfile

from fake import KEY, Provider

AEX, BOTS = sys.argv[1], sys.argv[2:]
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


def run(provider, env, *argv):
    env = env | {
        "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": provider.base + "/v1",
        "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": provider.base,
        "GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": provider.base,
    }
    return subprocess.run(argv, env=env, capture_output=True, timeout=120)


def drive(bot):
    with tempfile.TemporaryDirectory() as home:
        env = {k: v for k, v in os.environ.items() if not k.startswith(OURS)} | {"AEX_HOME": home}
        with Provider(AEX, BEHAVIOUR) as provider:
            bare, bill_bare = run(provider, env, *bot), provider.bill()
        report = os.path.join(home, "report.json")
        with Provider(AEX, BEHAVIOUR) as provider:
            ran = run(provider, env, AEX, "run", "--agent", "sdk", "--budget", "5", "--report", report, "--", *bot)
            bill = provider.bill()
        booked = {"spent_micro": -1, "calls": 0}
        if os.path.exists(report):
            with open(report) as f:
                booked = json.load(f)
        audit = subprocess.run([AEX, "audit"], env=env, capture_output=True, text=True, timeout=120)
    checks = {
        "exit code 0 without aex": bare.returncode == 0,
        "exit code 0 with aex": ran.returncode == 0,
        f"the same output ({len(ran.stdout)} bytes)": bare.stdout == ran.stdout and len(ran.stdout) > 500,
        f"ledger {booked['spent_micro']} == bill {bill} micro-dollars": booked["spent_micro"] == bill > 0,
        f"the bill is that of a run without aex ({bill_bare})": bill_bare == bill,
        "the ledger's audit passes": audit.returncode == 0,
    }
    print("--", " ".join(os.path.basename(b) for b in bot), f"({booked['calls']} calls)")
    for what, ok in checks.items():
        print("   ", "ok  " if ok else "FAIL", what)
    if not all(checks.values()):
        print(bare.stderr.decode()[-2000:], ran.stderr.decode()[-2000:], audit.stdout[-2000:])
        for a, b in zip(bare.stdout.splitlines(), ran.stdout.splitlines()):
            if a != b:
                print(f"without: {a.decode()[:800]}\nwith:    {b.decode()[:800]}")
                break
    return all(checks.values())


sys.exit(0 if all([drive(bot.split()) for bot in BOTS]) else 1)
