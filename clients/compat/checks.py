"""What is asked of every program."""
import base64
import gzip
import json
import os
import re
import subprocess

import fake
from installs import run
from user import ROOT, Home, answer, no_aex, real_hosts, variables

def check(aex, p, brief=False):
    checks, notes = {}, []
    with Home(p) as home, fake.Provider(aex) as provider:
        code, out, err, log, _ = home.start(p, home.program(p), variables(p, provider.base) | no_aex(p, provider.base, home))
        bare, bare_log = answer(p, out), log
        bare_ok = code == 0 and bool(bare)
        if not bare_ok:
            notes.append("without aex: exit %s, %s" % (code, (err or out).strip()[-300:]))
    with Home(p) as home, fake.Provider(aex) as provider:
        report = os.path.join(home.path, "report.json")
        code, out, err, log, took = home.start(p, [aex, "run", "-a", "compat", "-b", "5", "--report", report, "--", *home.program(p)], variables(p, provider.base))
        booked = json.load(open(report)) if os.path.exists(report) else {"spent_micro": -1, "calls": 0}
        bill = provider.bill()
        same = answer(p, out) == bare if bare_ok else bool(answer(p, out))
        if p.tool:
            same = same and log == "step 1\nstep 2\nstep 3\n" and (not bare_ok or log == bare_log)
        checks["aex run"] = code == 0 and same
        checks["ledger = bill"] = booked["spent_micro"] == bill > 0
        checks["audit"] = run([aex, "audit"], env=home.env).returncode == 0
        calls = booked["calls"]
        if not all(checks.values()):
            notes.append("aex run: exit %s, booked %s, billed %s, steps %r, %s" % (code, booked["spent_micro"], bill, log, (out[-300:] + err[-700:]).strip()))
    hosts = []
    if not brief:
        checks["nothing past"], hosts = sealed(aex, p, notes)
        checks["aex serve"] = serve(aex, p, bare if bare_ok else None, notes)
    with Home(p) as home, fake.Provider(aex) as provider:
        code, out, err, log, _ = home.start(p, [aex, "run", "-a", "compat", "-b", p.price, "--", *home.program(p)], variables(p, provider.base))
        spent = provider.bill()
        said = "aex:" in (out + re.sub(r"(?m)^aex: (compat|hint|default).*$", "", err))
        checks["small budget"] = code not in (0,) and not isinstance(code, str) and spent <= float(p.price) * 1e6 and said
        after = ended(aex, home)
        if not checks["small budget"]:
            notes.append("small budget: exit %s, billed %s of %s, aex's sentence seen: %s; %s" % (code, spent, p.price, said, (out[-300:] + err[-500:]).strip()))
    return {"name": p.name, "kind": p.kind, "version": p.version, "checks": checks, "calls": calls, "after": after, "hosts": hosts, "took": round(took, 1),
            "bare": bare_ok, "notes": notes}


MODEL_ROUTE = re.compile(r"/(chat/completions|responses|completions|messages|embeddings)\b|:(stream)?[gG]enerateContent")


def sealed(aex, p, notes):
    """What the program asks of hosts other than aex, where every name leads to
    a listener: no model, and nothing with the key or the run's token."""
    tool = os.path.join(p.cache, "sealed")
    with Home(p) as home:
        seen = os.path.join(home.path, "seen.json")
        argv = ["sh", "-c", 'echo "$AEX_AGENT_TOKEN" > "$HOME/token"; exec "$@"', "sh", *home.program(p)]
        code, out, err, _, _ = home.start(p, [tool, seen, fake.KEY, aex, "run", "-a", "compat", "-b", "5", "--", *argv], real_hosts(p))
        if not os.path.exists(seen):
            notes.append("sealed: exit %s, %s" % (code, err[-500:]))
            return False, []
        with open(seen) as f:
            seen = json.load(f)
        with open(os.path.join(home.path, "token")) as f:
            token = f.read().strip()
        bad = []
        for a in seen["asked"] or []:
            body = base64.b64decode(a.get("body") or "")
            try:
                body = gzip.decompress(body)
            except OSError:
                pass
            text = json.dumps([a["path"], a["header"]]) + body.decode(errors="replace")
            if MODEL_ROUTE.search(a["path"].split("?")[0]) or fake.KEY in text or token in text:
                bad.append("%s %s%s" % (a["method"], a["host"], a["path"]))
        calls = [e for e in seen["entries"] or [] if e["charged"]]
        if bad or not calls:
            notes.append("sealed: exit %s, %d calls by aex, past it: %s; %s" % (code, len(calls), bad, (out[-200:] + err[-300:]).strip()))
        return not bad and bool(calls), sorted({a["host"] for a in seen["asked"] or []})


def ended(aex, home):
    """How many requests came after the first refusal."""
    runs = run([aex, "runs", "--json"], env=home.env)
    try:
        rows = json.loads(runs.stdout)
        rows = rows.get("runs", rows) if isinstance(rows, dict) else rows
        return max(0, rows[0]["refused"] - 1)
    except (ValueError, LookupError, TypeError):
        return None


# The three that v1.2 named are led by the Python helper, too, which sets what
# OpenAI's SDK reads.
HELPED = ("LangGraph", "CrewAI", "AutoGen")
HELPER = os.path.join(ROOT, "clients", "python")


def helped(p, url):
    code = ("import runpy, sys; from aex.integrations import configure_environment; configure_environment('compat', %s); "
            "runpy.run_path(sys.argv[1], run_name='__main__')" % url.rsplit(":", 1)[1])
    return [p.argv[0], "-c", code, p.argv[1]]


def serve(aex, p, bare, notes):
    with Home(p) as home, fake.Provider(aex) as provider:
        env = home.env | variables(p, provider.base)
        run([aex, "agent", "create", "compat", "5", "none"], env=env)
        server = subprocess.Popen([aex, "serve", "--port", "0"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            url = None
            for line in server.stdout:
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
                if found:
                    url = found.group()
                    break
            lead = [aex, "env", "compat", "--shell", "dotenv", "--url", url]
            if p.kind == "agent":
                lead += ["--for", p.argv[0], "--write"]
            led = run(lead, env=home.env)
            client = dict(line.split("=", 1) for line in led.stdout.splitlines() if "=" in line and not line.startswith("#"))
            client = {k: v for k, v in client.items() if not k.startswith("AEX_")}
            if p.argv[0] == "copilot":
                client["COPILOT_MODEL"] = "gpt-5-mini"
            for name, value in p.variables.items():
                if value is None:
                    client.pop(name, None)
                elif name == "ANTHROPIC_BASE_URL":
                    client[name] = url + "/v1"
            code, out, err, log, _ = home.start(p, home.program(p), client)
            ok = code == 0 and (answer(p, out) == bare if bare is not None else bool(answer(p, out)))
            if ok and p.name in HELPED:
                code, out, err, log, _ = home.start(p, helped(p, url), {"PYTHONPATH": home.env["PYTHONPATH"] + os.pathsep + HELPER, "AEX_BIN": aex})
                ok = code == 0 and bool(answer(p, out)) and (bare is None or answer(p, out) == bare[:len(answer(p, out))])
            spent = json.loads(run([aex, "agent", "inspect", "compat", "--json"], env=home.env).stdout or "{}")
            spent = spent.get("spent_micro", spent.get("account", {}).get("spent_micro") if isinstance(spent.get("account"), dict) else None)
            bill = provider.bill()
            ok = ok and spent == bill > 0
            if not ok:
                notes.append("aex serve: exit %s, booked %s, billed %s, %s" % (code, spent, bill, (led.stderr[-200:] + out[-300:] + err[-400:]).strip()))
            return ok
        finally:
            server.terminate()
            server.wait()
