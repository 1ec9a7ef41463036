"""make compat: every program of programs.py, unchanged, without aex, under aex
run, against aex serve, and under a budget that is too small; and the page that
says how it went. compat.py AEX CACHE [--ci | NAME...]"""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import fake
import programs

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OURS = ("OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "GROQ_", "AEX_", "CI", "COPILOT_", "CODEX_", "CLAUDE", "OPENCODE_")
PATIENCE = int(os.environ.get("COMPAT_PATIENCE", "240"))  # seconds for one run of a program
ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\a]*\a")


class Program:
    """A program with what it needs to run: an argv, variables, a version."""

    def __init__(self, name, kind, ci, cache):
        self.name, self.kind, self.ci, self.cache = name, kind, bool(ci), cache
        self.argv, self.path, self.variables, self.version = [], [], {}, "?"
        self.tool = None
        self.price = "0.0002"  # the budget that is too small


def run(argv, **more):
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", **more)


def python_programs(cache, wanted):
    uv = os.path.join(cache, "uvboot", "bin", "uv")
    for name, packages, script, variables, ci in programs.PYTHON:
        p = Program(name, "framework", ci, cache)
        if not wanted(p):
            continue
        venv = os.path.join(cache, "frameworks", script.removesuffix(".py"))
        python = os.path.join(venv, "bin", "python")
        marker = os.path.join(venv, "installed-" + script.removesuffix(".py"))
        if not os.path.exists(marker) or open(marker).read() != " ".join(packages):
            env = os.environ | {"UV_CACHE_DIR": os.path.join(cache, "uv")}
            run([uv, "venv", "-q", "--clear", "--python", sys.executable, venv], env=env, check=True)
            done = run([uv, "pip", "install", "-q", "--python", python, *packages], env=env)
            if done.returncode:
                p.version = "could not be installed: " + done.stderr.strip().splitlines()[-1][:160]
                yield p
                continue
            with open(marker, "w") as f:
                f.write(" ".join(packages))
        bare = re.split(r"\[", packages[0])[0]
        p.version = bare + " " + run([python, "-c", f"import importlib.metadata as m; print(m.version('{bare}'))"]).stdout.strip()
        p.argv, p.variables = [python, os.path.join(HERE, "frameworks", script)], variables
        yield p


def node_programs(cache, wanted):
    folder = os.path.join(cache, "node")
    for name, package, script, variables, ci in programs.SCRIPTS:
        p = Program(name, "framework", ci, cache)
        if not wanted(p):
            continue
        npm(folder, programs.NODE)
        p.version = package + " " + package_version(folder, package)
        source = os.path.join(HERE, "frameworks", script)
        shutil.copy(source, folder)
        shutil.copy(os.path.join(HERE, "frameworks", "steps.mjs"), folder)
        p.argv, p.variables = [node(cache), os.path.join(folder, script)], variables
        yield p


def agents(cache, wanted):
    folder = os.path.join(cache, "agents")
    for name, package, tool, argv, ci in programs.AGENTS:
        p = Program(name, "agent", ci, cache)
        if not wanted(p):
            continue
        p.tool, p.argv, p.price = tool, argv, "0.0001"
        if package == "aider-chat":
            venv = os.path.join(cache, "aider")
            if not os.path.exists(os.path.join(venv, "bin", "aider")):
                run([sys.executable, "-m", "venv", venv], check=True)
                run([os.path.join(venv, "bin", "pip"), "install", "-q", "aider-chat"], check=True)
            p.path = [os.path.join(venv, "bin")]
            p.version = run([os.path.join(venv, "bin", "python"), "-c", "import importlib.metadata as m; print(m.version('aider-chat'))"]).stdout.strip()
        else:
            npm(folder, [package])
            p.path = [os.path.join(folder, "node_modules", ".bin")]
            p.version = package_version(folder, package)
        p.version = package + " " + p.version
        if argv[0] == "copilot":
            p.variables = {"COPILOT_PROVIDER_BASE_URL": "{base}/v1", "COPILOT_PROVIDER_API_KEY": fake.KEY, "COPILOT_MODEL": "gpt-5-mini"}
        yield p


def npm(folder, packages):
    """Installs what is missing, by a Node of its own: npm takes the newest
    version that the Node it runs on can run."""
    bin = os.path.join(folder, "node_modules", ".bin")
    env = os.environ | {"PATH": bin + os.pathsep + os.environ.get("PATH", "")}
    missing = [q for q in packages if not os.path.isdir(os.path.join(folder, "node_modules", q))]
    os.makedirs(folder, exist_ok=True)
    install = lambda *what: run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *what], check=True, env=env)
    if not os.path.exists(os.path.join(bin, "node")):
        install("node")
    if not missing:
        return
    install(*missing)
    # npm runs no install scripts of packages; what these need is done by name.
    for script in ("@anthropic-ai/claude-code/install.cjs", "opencode-ai/postinstall.mjs", "cline/postinstall.mjs"):
        path = os.path.join(folder, "node_modules", script)
        if os.path.exists(path) and any(script.startswith(q) for q in missing):
            run(["node", path], env=env)


def node(cache):
    return os.path.join(cache, "node", "node_modules", ".bin", "node")


def package_version(folder, package):
    with open(os.path.join(folder, "node_modules", package, "package.json")) as f:
        return json.load(f)["version"]


def variables(p, base):
    """The user's own, as they lead to the fake provider."""
    env = {
        "OPENAI_API_KEY": fake.KEY, "OPENAI_BASE_URL": base + "/v1", "OPENAI_API_BASE": base + "/v1",
        "ANTHROPIC_API_KEY": fake.KEY, "ANTHROPIC_BASE_URL": base, "ANTHROPIC_API_BASE": base,
        "GEMINI_API_KEY": fake.KEY, "GOOGLE_GEMINI_BASE_URL": base, "GEMINI_API_BASE": base + "/v1beta",
        "GROQ_API_KEY": fake.KEY, "GROQ_BASE_URL": base, "GROQ_API_BASE": base + "/openai/v1",
    }
    if p.name == "agno":  # reads no other name
        env["GOOGLE_API_KEY"] = env.pop("GEMINI_API_KEY")
    for name, value in p.variables.items():
        env.pop(name, None)
        if value is not None:
            env[name] = value.format(base=base)
    return env


class Home:
    """A user with nothing but a home, in a project with the steps in it."""

    def __init__(self, p):
        # Not below a folder that everybody may write to, which Gemini CLI does not trust.
        self.path = tempfile.mkdtemp(dir=os.path.expanduser("~"), prefix="compat-")
        self.project = os.path.join(self.path, "project")
        os.mkdir(self.project)
        if p.tool:
            tool, argument, *blind = p.tool
            value = '["sh step.sh 2"]' if argument == "commands" else '"sh step.sh 2"'
            order = lambda n, of="": '[[tool%s %s {"%s":%s,"description":"step"}]]' % (of, tool, argument, value.replace("2", str(n)))
            with open(os.path.join(self.project, "step.sh"), "w") as f:
                f.write("n=$(($(cat steps.log 2>/dev/null | wc -l) + 1))\necho step $n >> steps.log\ncase $1 in\n")
                f.write("1) echo '%s';;\n2) echo '%s';;\n3) echo all is done;;\nesac\n" % (order(2), order(3)))
            self.prompt = "Do the steps. " + (order(3, "*3") if blind else order(1))
        else:
            self.prompt = "Say something about steps"
        keep = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        path = os.pathsep.join(p.path + [keep.get("PATH", "")])
        self.env = keep | {"HOME": self.path, "AEX_HOME": os.path.join(self.path, ".aex"), "PATH": path, "TERM": "dumb", "NO_COLOR": "1",
                           "PYTHONPATH": os.path.join(HERE, "frameworks"), "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": os.path.join(p.cache, "pyc"), "PYTHONWARNINGS": "ignore",
                           "OTEL_SDK_DISABLED": "true", "DO_NOT_TRACK": "1", "DISABLE_AUTOUPDATER": "1", "XDG_CACHE_HOME": os.path.join(self.path, ".cache")}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def start(self, p, argv, env):
        began = time.time()
        try:
            done = subprocess.run(argv, env=self.env | env, cwd=self.project, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  errors="replace", timeout=PATIENCE)
            code, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            text = lambda b: (b or b"").decode(errors="replace") if isinstance(b, (bytes, type(None))) else b
            code, out, err = "no end after %d s" % PATIENCE, text(late.stdout), text(late.stderr)
        steps = os.path.join(self.project, "steps.log")
        log = open(steps).read() if os.path.exists(steps) else ""
        return code, ANSI.sub("", out), ANSI.sub("", err), log, time.time() - began

    def program(self, p, inside=True):
        argv = [a.replace("{prompt}", self.prompt) for a in p.argv]
        if p.kind == "agent":  # behind a script, as people have it
            return ["sh", "-c", 'exec "$@"', "sh", *argv] if not inside else ["sh", "-c", '"$@"', "sh", *argv]
        return argv


def answer(p, out):
    """What of the output is the model's: the rest has times and sessions in it."""
    if p.kind == "framework":
        return [line for line in out.splitlines() if line.startswith(("answer:", "step "))]
    return re.findall(r"\bw1 w2 w3 w4\b", " ".join(out.split()))[:1]


def check(aex, p):
    checks, notes = {}, []
    with Home(p) as home, fake.Provider(aex) as provider:
        code, out, err, log, _ = home.start(p, home.program(p), variables(p, provider.base) | no_aex(p, provider.base, home))
        bare, bare_log, bare_bill = answer(p, out), log, provider.entries()
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
    checks["aex serve"] = serve(aex, p, bare if bare_ok else None, notes)
    with Home(p) as home, fake.Provider(aex) as provider:
        code, out, err, log, _ = home.start(p, [aex, "run", "-a", "compat", "-b", p.price, "--", *home.program(p)], variables(p, provider.base))
        refused = re.search(r"(\d+) refused", err)
        spent = provider.bill()
        said = "aex:" in (out + re.sub(r"(?m)^aex: (compat|hint|default).*$", "", err))
        checks["small budget"] = code not in (0,) and not isinstance(code, str) and spent <= float(p.price) * 1e6 and said
        after = ended(aex, home)
        if not checks["small budget"]:
            notes.append("small budget: exit %s, billed %s of %s, aex's sentence seen: %s; %s" % (code, spent, p.price, said, (out[-300:] + err[-500:]).strip()))
    return {"name": p.name, "kind": p.kind, "version": p.version, "checks": checks, "calls": calls, "after": after, "took": round(took, 1),
            "bare": bare_ok, "notes": notes}


def no_aex(p, base, home):
    """What leads the agents without aex that read no base URL."""
    if p.argv[0] == "codex":
        os.mkdir(os.path.join(home.path, ".codex"))
        with open(os.path.join(home.path, ".codex", "config.toml"), "w") as f:
            f.write('model_provider = "x"\nweb_search = "disabled"\n[model_providers.x]\nname = "x"\nbase_url = "%s/v1"\nenv_key = "OPENAI_API_KEY"\nwire_api = "responses"\n' % base)
    elif p.argv[0] == "qwen":
        os.mkdir(os.path.join(home.path, ".qwen"))
        with open(os.path.join(home.path, ".qwen", "settings.json"), "w") as f:
            json.dump({"security": {"auth": {"selectedType": "openai"}}}, f)
    elif p.argv[0] == "pi":
        os.makedirs(os.path.join(home.path, ".pi", "agent"))
        with open(os.path.join(home.path, ".pi", "agent", "models.json"), "w") as f:
            json.dump({"providers": {"openai": {"baseUrl": base + "/v1", "apiKey": "OPENAI_API_KEY"}}}, f)
    elif p.argv[0] == "gemini":
        os.mkdir(os.path.join(home.path, ".gemini"))
        with open(os.path.join(home.path, ".gemini", "settings.json"), "w") as f:
            json.dump({"security": {"auth": {"selectedType": "gemini-api-key"}}}, f)
    elif p.argv[0] == "cline":
        os.makedirs(os.path.join(home.path, ".cline", "data", "settings"))
        with open(os.path.join(home.path, ".cline", "data", "settings", "providers.json"), "w") as f:
            one = {"provider": "anthropic", "apiKey": fake.KEY, "model": "claude-haiku-4-5", "baseUrl": base}
            json.dump({"version": 1, "lastUsedProvider": "anthropic", "modes": {}, "providers": {"anthropic": {
                "settings": one, "updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual"}}}, f)
    return {}


def ended(aex, home):
    """How many requests came after the first refusal."""
    runs = run([aex, "runs", "--json"], env=home.env)
    try:
        rows = json.loads(runs.stdout)
        rows = rows.get("runs", rows) if isinstance(rows, dict) else rows
        return max(0, rows[0]["refused"] - 1)
    except (ValueError, LookupError, TypeError):
        return None


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
                elif name.startswith("OPENAI_AGENTS"):
                    client[name] = value
            code, out, err, log, _ = home.start(p, home.program(p), client)
            spent = json.loads(run([aex, "agent", "inspect", "compat", "--json"], env=home.env).stdout or "{}")
            spent = spent.get("spent_micro", spent.get("account", {}).get("spent_micro") if isinstance(spent.get("account"), dict) else None)
            bill = provider.bill()
            ok = code == 0 and (answer(p, out) == bare if bare is not None else bool(answer(p, out))) and spent == bill > 0
            if not ok:
                notes.append("aex serve: exit %s, booked %s, billed %s, %s" % (code, spent, bill, (led.stderr[-200:] + out[-300:] + err[-400:]).strip()))
            return ok
        finally:
            server.terminate()
            server.wait()


def write(results, path):
    with open(path, "w") as f:
        f.write("# Programs that were tried with aex\n\nWritten by `make compat`, which installs each program from its registry and drives it, unchanged, against a fake\n"
                "provider that keeps its own bill: without aex; under `aex run` (agents behind `sh -c`); against `aex serve` with what\n"
                "`aex env` prints; and under a budget that is too small. Each makes three tool calls in a row where it has tools.\n\n"
                "- *same*: exit 0, and the answers of a run without aex. *ledger*: booked is billed, to the micro-dollar, and `aex audit`\n"
                "  passes. *serve*: the same against `aex serve`. *small*: it stops by itself or is stopped, not with 0, nothing is spent\n"
                "  beyond the budget, and its user sees aex's sentence. *after*: requests after the first refusal.\n\n")
        f.write("| program | version | same | ledger | serve | small | calls | after |\n|---|---|---|---|---|---|---|---|\n")
        mark = lambda ok: "yes" if ok else "**no**"
        for r in results:
            c = r["checks"]
            if not c:
                f.write("| %s | %s | | | | | | |\n" % (r["name"], r["version"]))
                continue
            f.write("| %s | %s | %s | %s | %s | %s | %d | %s |\n" % (r["name"], r["version"], mark(c["aex run"]), mark(c["ledger = bill"] and c["audit"]),
                    mark(c["aex serve"]), mark(c["small budget"]), r["calls"], "?" if r["after"] is None else r["after"]))
        f.write("\n## Not tried, or not to be led\n\n")
        for name, why in programs.MISSING:
            f.write("- **%s**: %s.\n" % (name, why))
        hosts = os.path.join(HERE, "hosts.md")
        if os.path.exists(hosts):
            f.write("\n" + open(hosts).read())


def main():
    aex, cache, wants = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]
    os.makedirs(cache, exist_ok=True)
    if not os.path.exists(os.path.join(cache, "uvboot", "bin", "uv")):
        run([sys.executable, "-m", "venv", os.path.join(cache, "uvboot")], check=True)
        run([os.path.join(cache, "uvboot", "bin", "pip"), "install", "-q", "uv"], check=True)
    wanted = lambda p: p.ci if wants == ["--ci"] else not wants or p.name in wants
    results = os.path.join(cache, "results.json")
    known = json.load(open(results)) if os.path.exists(results) else {}
    failed = []

    def one(p):
        if not p.argv:
            return {"name": p.name, "kind": p.kind, "version": p.version, "checks": {}, "calls": 0, "after": None, "notes": [p.version]}
        return check(aex, p)

    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("COMPAT_JOBS", "2"))) as pool:
        # What is installed is driven while the next is being installed.
        found = [pool.submit(one, p) for make in (python_programs, node_programs, agents) for p in make(cache, wanted)]
        for r in (f.result() for f in found):
            known[r["name"]] = r
            bad = [what for what, ok in r["checks"].items() if not ok]
            print("%-24s %-46s %s" % (r["name"], r["version"], "ok" if not bad and r["checks"] else "FAIL " + ", ".join(bad)), flush=True)
            if bad or not r["checks"]:
                failed.append(r["name"])
                for note in r["notes"]:
                    print("    " + note.replace("\n", "\n    "), flush=True)
            with open(results, "w") as f:
                json.dump(known, f, indent=1)
    if wants != ["--ci"]:
        order = [row[0] for row in programs.PYTHON + programs.SCRIPTS + programs.AGENTS]
        write([known[n] for n in order if n in known], os.environ.get("COMPAT_PAGE") or os.path.join(ROOT, "docs", "compatibility.md"))
    print("%d passed, %d failed" % (len(found) - len(failed), len(failed)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
