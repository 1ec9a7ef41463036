"""make sandbox-programs: agent programs and tools, unchanged, inside
aex run --sandbox=require, let out to what they need and no further.
sandboxed.py AEX CACHE [NAME...]"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import fake
from installs import agents, run
from user import Home, answer, variables

# Agents, and hosts that they ask for besides models.
AGENTS = {"Claude Code": [], "Codex": [], "opencode": ["models.dev", "registry.npmjs.org"]}


def agent(aex, p):
    """Three tool calls in a row inside; booked is billed, and no more came of it than the answer of a run without a sandbox."""
    with Home(p) as home, fake.Provider(aex) as provider:
        report = os.path.join(home.path, "report.json")
        let = [word for host in AGENTS[p.name] for word in ("--allow-host", host)]
        argv = [aex, "run", "-a", "compat", "-b", "5", "--sandbox=require", *let, "--report", report, "--", *home.program(p)]
        code, out, err, log, _ = home.start(p, argv, variables(p, provider.base))
        booked = json.load(open(report)) if os.path.exists(report) else {}
        bill = provider.bill()
        ok = code == 0 and log == "step 1\nstep 2\nstep 3\n" and bool(answer(p, out)) and booked.get("spent_micro") == bill > 0
        ok = ok and run([aex, "audit"], env=home.env).returncode == 0 and booked.get("sandbox", {}).get("level") == "full"
        refused = sorted(set(re.findall(r'"host": ?"([^"]+)"[^\n]*', run([aex, "runs", "show", booked.get("run_id", "?"), "--json"], env=home.env).stdout)))
        return ok, "%s; %d calls, %s of %s micro-dollars; asked for %s" % (p.version, booked.get("calls", 0), booked.get("spent_micro"), bill, ", ".join(refused) or "no other host"), (out[-300:] + err[-700:]).strip()


class Place:
    """A home and a directory to work in."""

    def __init__(self, aex):
        self.aex = aex
        self.path = tempfile.mkdtemp(prefix="aex-tools-")
        self.env = os.environ | {"HOME": self.path, "AEX_HOME": os.path.join(self.path, ".aex"), "OPENAI_API_KEY": fake.KEY, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}

    def inside(self, let, *argv, **more):
        hosts = [word for host in let for word in ("--allow-host", host)]
        try:
            return run([self.aex, "run", "-b", "1", "--sandbox=require", *hosts, "--", *argv], cwd=self.path, env=self.env | more, stdin=subprocess.DEVNULL, timeout=240)
        except subprocess.TimeoutExpired as late:
            return subprocess.CompletedProcess(argv, "no end", str(late.stdout), str(late.stderr))


def with_addresses(hosts):
    """Hosts, and their addresses: a mirror may be at a private one, which has to be listed itself."""
    return hosts + sorted({found[4][0] for h in hosts for found in socket.getaddrinfo(h, 443, type=socket.SOCK_STREAM)})


def own_address():
    """An address of this machine that programs ask a proxy for; with none, nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("198.51.100.1", 9))
        return s.getsockname()[0]


SERVER = """
import http.server, ssl, sys
server = http.server.ThreadingHTTPServer((sys.argv[1], 0), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


def git(place):
    """git clone over HTTPS from a server of this machine, through the proxy; and not where it was not let out to."""
    at = own_address()
    server_dir = os.path.join(place.path, "server")
    os.mkdir(server_dir)
    quiet = dict(cwd=server_dir, check=True)
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=" + at, "-addext", "subjectAltName=IP:" + at], **quiet)
    run(["git", "init", "-q", "work"], **quiet)
    run(["git", "-C", "work", "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "--allow-empty", "-m", "cloned inside"], **quiet)
    run(["git", "clone", "-q", "--bare", "work", "it.git"], **quiet)
    run(["git", "-C", "it.git", "update-server-info"], **quiet)
    server = subprocess.Popen([sys.executable, "-c", SERVER, at], cwd=server_dir, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = server.stdout.readline().strip()
        url = "https://%s:%s/it.git" % (at, port)
        trust = {"GIT_SSL_CAINFO": os.path.join(server_dir, "cert.pem"), "GIT_TERMINAL_PROMPT": "0"}
        done = place.inside(["%s:%s" % (at, port)], "git", "clone", "-q", url, "inside", **trust)
        log = run(["git", "-C", os.path.join(place.path, "inside"), "log", "--format=%s"]).stdout.strip()
        shut = place.inside([], "git", "clone", "-q", url, "shut", **trust)
        return done.returncode == 0 and log == "cloned inside" and shut.returncode != 0 and "403" in shut.stderr, done, shut
    finally:
        server.terminate()
        server.wait()


def pip(place):
    done = place.inside(with_addresses(["pypi.org", "files.pythonhosted.org"]), sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--target", "site", "six")
    return done.returncode == 0 and os.path.exists(os.path.join(place.path, "site", "six.py")), done


def npm(place):
    done = place.inside(with_addresses(["registry.npmjs.org"]), "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", "npm", "is-number")
    return done.returncode == 0 and os.path.isdir(os.path.join(place.path, "npm", "node_modules", "is-number")), done


def pytest(place):
    with open(os.path.join(place.path, "test_it.py"), "w") as f:
        f.write("import os, subprocess, threading\ndef test_it(tmp_path):\n    (tmp_path / 'x').write_text('y')\n    assert subprocess.run(['true']).returncode == 0\n"
                "def test_net():\n    import http.server, urllib.request\n    s = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n"
                "    threading.Thread(target=s.handle_request).start()\n    assert urllib.request.urlopen('http://127.0.0.1:%d/' % s.server_port).status == 200\n")
    done = place.inside([], sys.executable, "-m", "pytest", "-q", "test_it.py")
    return done.returncode == 0 and "2 passed" in done.stdout, done


def chromium(place):
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if not browser:
        return None, "NOT TESTED: no browser"
    unprivileged = ["--no-sandbox"] if os.getuid() == 0 else []
    done = place.inside([], browser, "--headless", *unprivileged, "--disable-gpu", "--user-data-dir=" + os.path.join(place.path, "browser"), "--dump-dom",
                        "data:text/html,<script>document.write('<p>'+6*7+'</p>')</script>")
    return done.returncode == 0 and "<p>42</p>" in done.stdout, done


def main():
    aex, cache = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    wanted = sys.argv[3:]
    failed = []

    def tell(name, ok, *more):
        print("%-12s %s" % (name, {True: "works", False: "FAILED", None: "NOT TESTED"}[ok]), *(m for m in more if isinstance(m, str)) if ok else more, flush=True)
        if ok is False:
            failed.append(name)

    for tool in (git, pip, npm, pytest, chromium):
        if not wanted or tool.__name__ in wanted:
            place = Place(aex)
            try:
                ok, *more = tool(place)
                tell(tool.__name__, ok, *more)
            finally:
                shutil.rmtree(place.path, ignore_errors=True)
    for p in agents(cache, lambda p: p.name in AGENTS and (not wanted or p.name in wanted)):
        ok, told, output = agent(aex, p)
        tell(p.name, ok, told, *([] if ok else [output]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
