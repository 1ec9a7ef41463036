"""The helpers against a real server, a real binary and a made-up provider."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

BINARY = os.environ["AEX_BIN"]
KEY = "sk-real"


class Helpers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.provider = subprocess.Popen(
            [BINARY, "fake-provider", "--key", KEY, "--output-tokens", "5"], stdout=subprocess.PIPE, text=True)
        url = cls.provider.stdout.readline().split()[-1]
        cls.home = tempfile.TemporaryDirectory()
        for name in list(os.environ):
            if name.startswith("AEX_") and name != "AEX_BIN":
                del os.environ[name]
        os.environ.update(AEX_HOME=cls.home.name, OPENAI_BASE_URL=url + "/v1", OPENAI_API_KEY=KEY,
                          GROQ_BASE_URL=url, GROQ_API_KEY=KEY)
        cls.aex("daemon", "start", "--port", "0", "--price", "m=1/4")
        created = cls.aex("agent", "create", "my-agent", "5.00", "none")
        cls.scraped = re.search(r"Token: ([0-9a-f]{32})", created).group(1)
        for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "GROQ_BASE_URL", "GROQ_API_KEY"):
            del os.environ[name]

    @classmethod
    def tearDownClass(cls):
        cls.aex("daemon", "stop")
        cls.provider.terminate()
        cls.provider.wait()
        cls.provider.stdout.close()
        cls.home.cleanup()

    @staticmethod
    def aex(*args):
        return subprocess.run([BINARY, *args], capture_output=True, text=True, check=True).stdout

    def calls(self):
        return json.loads(self.aex("status", "--json"))["calls"]

    def test_module_is_the_binary(self):
        done = subprocess.run([sys.executable, "-m", "aex", "version"], capture_output=True, text=True, check=True)
        self.assertRegex(done.stdout, r"^AEX ")
        failed = subprocess.run([sys.executable, "-m", "aex", "agent", "inspect", "nobody"], capture_output=True, text=True)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("there is no agent", failed.stderr)
        lost = subprocess.run([sys.executable, "-m", "aex"], capture_output=True, text=True,
                              env={**os.environ, "AEX_BIN": "/no/such/aex"})
        self.assertIn("which is no program", lost.stderr)
        self.assertNotEqual(lost.returncode, 0)

    def test_openai_client(self):
        from aex.integrations import get_openai_client

        before = self.calls()
        with get_openai_client("my-agent") as client:
            answer = client.chat.completions.create(model="m", max_tokens=20, messages=[{"role": "user", "content": "Hello"}])
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertEqual(self.calls(), before + 1)

    def test_groq_client(self):
        from aex.integrations import get_groq_client

        before = self.calls()
        with get_groq_client("my-agent") as client:
            client.chat.completions.create(model="m", max_tokens=20, messages=[{"role": "user", "content": "Hello"}])
        self.assertEqual(self.calls(), before + 1)

    def test_tokens(self):
        from aex.integrations import get_agent_token

        token = get_agent_token("my-agent")
        self.assertRegex(token, r"^[0-9a-f]{32}$")
        self.assertEqual(get_agent_token("my-agent"), token)
        self.assertNotEqual(token, self.scraped)
        with self.assertRaisesRegex(ValueError, 'there is no agent "nobody"'):
            get_agent_token("nobody")

    def test_base_url(self):
        from aex.integrations import get_base_url

        running = json.loads(self.aex("daemon", "status", "--json"))["url"]
        self.assertEqual(get_base_url(), running + "/v1")
        self.assertEqual(get_base_url(1234), "http://127.0.0.1:1234/v1")

    def test_configure_environment(self):
        code = ("import os; from aex.integrations import configure_environment as c; s = c('my-agent'); "
                "assert all(os.environ[k] == v for k, v in s.items()); print(sorted(s))")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), "['AEX_AGENT_TOKEN', 'OPENAI_API_KEY', 'OPENAI_BASE_URL']")

    def test_under_aex_run(self):
        code = ("import os; from aex.integrations import get_agent_token as t, get_base_url as b; "
                "assert t('anybody') == os.environ['OPENAI_API_KEY'] and b() == os.environ['OPENAI_BASE_URL']; print('ok')")
        out = self.aex("run", "--agent", "my-agent", "--budget", "0.10", "--", sys.executable, "-c", code)
        self.assertIn("ok", out)

    def test_scripts_that_read_the_database(self):
        import sqlite3

        db = sqlite3.connect(f"file:{self.home.name}/aex.db?mode=ro", uri=True)
        row = db.execute("SELECT name, budget_micro, spent_micro, reserved_micro, rpm_limit FROM agents").fetchone()
        self.assertEqual(row[:2], ("my-agent", 5_000_000))
        spent = db.execute("SELECT coalesce(sum(cost_micro), 0) FROM events WHERE agent = 'my-agent' AND action = 'usage.commit'").fetchone()[0]
        self.assertEqual(spent, row[2])
        db.close()


if __name__ == "__main__":
    unittest.main()
