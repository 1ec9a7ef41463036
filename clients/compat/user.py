"""A user with programs: a home, a project, and the variables of a shell."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import fake
from installs import HERE

ROOT = os.path.dirname(os.path.dirname(HERE))
OURS = ("OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "GROQ_", "AEX_", "CI", "COPILOT_", "CODEX_", "CLAUDE", "OPENCODE_")
PATIENCE = int(os.environ.get("COMPAT_PATIENCE", "240"))  # seconds for one run of a program
ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\a]*\a")


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


# Where the providers are, below what a variable's name adds.
REAL = {"openai": "https://api.openai.com", "anthropic": "https://api.anthropic.com", "google": "https://generativelanguage.googleapis.com",
        "groq": "https://api.groq.com", "mistral": "https://api.mistral.ai", "deepseek": "https://api.deepseek.com", "xai": "https://api.x.ai",
        "together": "https://api.together.xyz", "fireworks": "https://api.fireworks.ai/inference", "cerebras": "https://api.cerebras.ai",
        "openrouter": "https://openrouter.ai/api"}


def real_hosts(p):
    """The user's variables with every name of a base URL that aex knows set to
    the provider's own host."""
    env = {k: v for k, v in variables(p, "").items() if not v.startswith("/") and v}
    with open(os.path.join(ROOT, "supervisor", "environ", "table.go")) as f:
        for name, keys, bases in re.findall(r'(?ms)^\t\{"(\w+)", "[^"]*", \[\]variable\{(.*?)^\t\}, \[\]variable\{(.*?)^\t\}\},', f.read()):
            for variable, tail in re.findall(r'\{"(\w+)", "([^"]*)",', bases):
                env[variable] = REAL[name] + tail
    for name, value in p.variables.items():
        if value and "{base}" in value:
            env[name] = value.format(base=REAL["anthropic" if name.startswith("ANTHROPIC") else "openai"])
        elif value is None:
            env.pop(name, None)
    return env


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
