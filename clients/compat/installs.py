"""What make compat drives, as its own package manager installs it."""
import json
import os
import re
import shutil
import subprocess
import sys

import fake
import programs

HERE = os.path.dirname(os.path.abspath(__file__))


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
