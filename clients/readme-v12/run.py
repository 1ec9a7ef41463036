"""Executes the README of aex v1.2, line by line, and checks what each does.

A line of the README that has no expectation here is an error, so that none is
left out by accident. Only two things differ from a user's machine: HOME, and
the base URL in the README's models.yaml, which leads to the fake provider.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

KEY = "gsk_your_key_here"
CALL = {"model": "gpt-oss-20b", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}


class World:
    """A user's machine while the README is followed."""

    def __init__(self, home):
        self.home, self.failures, self.lines = home, [], 0
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith("AEX_") and not k.endswith(("_API_KEY", "_BASE_URL"))}
        self.env.update(HOME=home, TZ="UTC")
        self.out = self.token = ""

    def sh(self, line):
        done = subprocess.run(["bash", "-c", line], env=self.env, cwd=self.home, capture_output=True, text=True)
        self.out = done.stdout + done.stderr
        return done.returncode

    def must(self, line):
        if self.sh(line) != 0:
            raise SystemExit(f"preparing: {line}\n{self.out}")

    def check(self, what, ok):
        if not ok:
            self.failures.append(what)
            print(f"FAILED: {what}\n{self.out}")

    def call(self, path="/chat/completions", body=CALL, headers=()):
        """One request with the exported settings; returns (status, body)."""
        base = self.env["OPENAI_BASE_URL"]
        if path.startswith("//"):
            base, path = base.removesuffix("/v1"), path[1:]
        req = urllib.request.Request(base + path, json.dumps(body).encode() if body else None)
        req.add_header("Content-Type", "application/json")
        req.add_header("Authorization", "Bearer " + self.env["OPENAI_API_KEY"])
        for name, value in dict(headers).items():
            req.add_header(name, value)
        try:
            with urllib.request.urlopen(req) as resp:
                return resp.status, resp.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def expectations(w):
    """What each line of the README is to do: line -> (before, prints, after)."""
    def export(line):
        name, value = re.match(r"export (\w+)=(.*)", line).groups()
        w.env[name] = value.replace("<token-from-step-4>", w.token)

    def exported_key(line):
        export(line)
        status, body = w.call()
        w.check("a call with the exported settings: " + body, status == 200 and json.loads(body)["model"] == "gpt-oss-20b")

    def keep_token(_):
        w.token = re.search(r"Token: ([0-9a-f]{32})", w.out).group(1)

    def stopped(_=None):
        w.sh("aex daemon stop")

    def governed(_):
        stored = os.path.join(w.home, ".aex", "aex.db")
        w.check("the token is stored as a hash only", w.token.encode() not in open(stored, "rb").read())

    def atlas(_):
        keep, w.env["OPENAI_API_KEY"] = w.env["OPENAI_API_KEY"], re.search(r"Token: ([0-9a-f]{32})", w.out).group(1)
        w.check("a stream is refused", w.call(body={**CALL, "stream": True})[0] == 403)
        w.check("another model is refused", w.call(body={**CALL, "model": "gpt-4o"})[0] == 403)
        w.check("an allowed call is let through", w.call()[0] == 200)
        w.env["OPENAI_API_KEY"] = keep

    def passthrough(_):
        w.check("its own key is refused to others", w.call(headers={"x-aex-provider-key": KEY})[0] == 403)
        keep, w.env["OPENAI_API_KEY"] = w.env["OPENAI_API_KEY"], re.search(r"Token: ([0-9a-f]{32})", w.out).group(1)
        w.check("it may bring its own key", w.call(headers={"x-aex-provider-key": KEY})[0] == 200)
        w.check("a wrong key is the provider's to refuse", w.call(headers={"x-aex-provider-key": "wrong"})[0] == 401)
        w.env["OPENAI_API_KEY"] = keep

    def again(_=None):
        w.must("aex agent create atlas 10.00 30")
        w.old = re.search(r"Token: ([0-9a-f]{32})", w.out).group(1)

    def rotated(_):
        keep, w.env["OPENAI_API_KEY"] = w.env["OPENAI_API_KEY"], w.old
        w.check("the old token is invalid", w.call()[0] == 401)
        w.env["OPENAI_API_KEY"] = re.search(r"New Token: ([0-9a-f]{32})", w.out).group(1)
        w.check("the new token is good", w.call()[0] == 200)
        w.env["OPENAI_API_KEY"] = keep

    def script():
        with open(os.path.join(w.home, "my_script.py"), "w") as f:
            f.write("from openai import OpenAI\n"
                    "print(OpenAI().chat.completions.create(model='gpt-oss-20b', max_tokens=9, messages=[{'role': 'user', 'content': 'hi'}]).model)\n")

    def running():
        w.must("aex daemon status >/dev/null || aex daemon start")

    return {
        "aex init": (None, r"initialized", None),
        'echo "GROQ_API_KEY=gsk_your_key_here" > ~/.aex/.env': (None, r"^$", lambda _: w.models()),
        "aex daemon start": (None, r"started", None),
        "aex agent create my-agent 5.00 30": (None, r"Agent 'my-agent' created\.\nToken: [0-9a-f]{32}\nBudget: \$5\.00 \(5000000 micro\)", keep_token),
        "export OPENAI_BASE_URL=http://127.0.0.1:9000/v1": (export, None, None),
        "export OPENAI_API_KEY=<token-from-step-4>": (exported_key, None, governed),
        "aex run --agent my-agent python my_script.py": (script, r"(?m)^gpt-oss-20b$", None),
        "aex daemon start [--port 9000]": (stopped, r"started \(PID \d+\) at http://127\.0\.0\.1:9000", None),
        "aex daemon stop": (None, r"stopped", None),
        "aex daemon status": (running, r"Daemon is running \(PID \d+\)", None),
        "aex agent create atlas 10.00 30 --allowed-models \"gpt-oss-20b\" --no-streaming --strict --ttl 24 --scope execution":
            (running, r"Agent 'atlas' created\.", atlas),
        "aex agent create proxy-agent 5.00 30 --allow-passthrough": (None, r"Passthrough: ENABLED", passthrough),
        "aex agent inspect atlas": (None, r"Budget:\s+\$10\.00 \(10000000 µ\)", None),
        "aex agent list": (None, r"(?m)^atlas +10\.00", None),
        "aex agent list --verbose": (None, r"(?m)^atlas +10000000", None),
        "aex agent delete atlas": (None, r"deleted", None),
        "aex agent rotate-token atlas": (again, r"New Token: [0-9a-f]{32}", rotated),
        "aex doctor": (None, r"every invariant holds", None),
        "aex doctor --compat --token <t>": (None, r"✅ basic_chat: PASS\n✅ streaming_sse: PASS\n✅ tool_calling: PASS\n✅ structured_output: PASS\n✅ error_parity: PASS", None),
        "aex status": (None, r"Requests Served: +\d+", None),
        "aex audit": (None, r"All \d+ invariant checks passed", None),
        "aex metrics": (None, r"(?s)Top Models.*AGENT", None),
        "aex models reload": (None, r"reloaded", None),
        "aex version": (None, r"(?m)^AEX \S+$", None),
        "GROQ_API_KEY=gsk_...": (None, None, None),  # shows the form of .env; step 2 wrote one
        "OPENAI_API_KEY=sk-...": (None, None, None),
    }


def blocks(text):
    """The README's code blocks, but for those of the section Install."""
    section = ""
    for match in re.finditer(r"(?ms)^## +(.+?)$|^```(\w*)\n(.*?)^```$", text):
        if match.group(1):
            section = match.group(1)
        elif section != "Install":
            yield match.group(2), match.group(3)


def commands(block):
    joined = re.sub(r"\\\n\s*", "", block)
    for line in joined.splitlines():
        line = re.sub(r"\s+#.*$", "", line).strip()
        if line and not line.startswith("#"):
            yield line


def follow(w, text):
    expected = expectations(w)
    for language, block in blocks(text):
        if language == "python":
            w.check("the Python helper", w.sh(f"python - <<'END'\n{block}END") == 0)
            w.lines += len(block.splitlines())
        if language != "bash":
            continue
        for line in commands(block):
            w.lines += 1
            print("$", line)
            if line not in expected:
                w.check(f"no expectation for: {line}", False)
                continue
            before, prints, after = expected[line]
            if before:
                before(line) if line.startswith("export") else before()
            if prints is not None:
                typed = line.replace("[", "").replace("]", "").replace("<t>", w.token)
                w.check(line, w.sh(typed) == 0 and re.search(prints, w.out.strip()))
            if after:
                after(line)


def promises(w):
    """The README's tables, where they promise what no line above has shown."""
    w.check("a stream arrives whole", "data: [DONE]" in w.call(body={**CALL, "stream": True})[1])
    w.must("aex agent create reader 5.00 30 --scope read-only --ttl 0.5")
    keep, w.env["OPENAI_API_KEY"] = w.env["OPENAI_API_KEY"], re.search(r"Token: ([0-9a-f]{32})", w.out).group(1)
    w.check("a read-only token may not call", w.call()[0] == 403)
    w.check("a read-only token reads its balance", w.call("/aex/budget", None)[0] == 200)
    w.env["OPENAI_API_KEY"] = keep
    w.must("aex agent create slow 5.00 1")
    w.env["OPENAI_API_KEY"] = re.search(r"Token: ([0-9a-f]{32})", w.out).group(1)
    w.check("one request a minute", [w.call()[0], w.call()[0]] == [200, 429])
    w.env["OPENAI_API_KEY"] = keep
    w.check("the dashboard is there, for the operator", w.call("//dashboard", None)[0] != 404)
    w.check("metrics are the operator's", w.call("//metrics", None)[0] == 401)
    w.must("aex daemon stop")  # which books what is open
    db = sqlite3.connect(f"file:{w.home}/.aex/aex.db?mode=ro", uri=True)
    for name, budget, spent in db.execute("SELECT name, budget_micro, spent_micro FROM agents").fetchall():
        cost = db.execute("SELECT coalesce(sum(cost_micro), 0) FROM events WHERE agent = ?", (name,)).fetchone()[0]
        if name != "atlas":  # made twice: the events of both have its name
            w.check(f"{name}: the sum of its events is what it spent", cost == spent)
        w.check(f"{name}: no overspend", 0 <= spent <= budget)
    db.close()


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        text = f.read()
    yaml = next(block for language, block in blocks(text) if language == "yaml")
    provider = subprocess.Popen(["aex", "fake-provider", "--key", KEY, "--output-tokens", "8"], stdout=subprocess.PIPE, text=True)
    url = provider.stdout.readline().split()[-1]
    with tempfile.TemporaryDirectory() as home:
        w = World(home)

        def models():
            path = os.path.join(home, ".aex", "config", "models.yaml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(yaml.replace("https://api.groq.com/openai/v1", url + "/v1"))
        w.models = models
        try:
            follow(w, text)
            promises(w)
        finally:
            w.sh("aex daemon stop")
            provider.terminate()
            provider.wait()
        print(f"{w.lines} lines of the README, {len(w.failures)} failures")
        sys.exit(1 if w.failures else 0)


if __name__ == "__main__":
    main()
