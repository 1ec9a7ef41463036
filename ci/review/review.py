#!/usr/bin/env python3
"""An agent that reviews a pull request: python review.py [BASE]

It reads the changes since BASE (origin/main, or BASE_REF of the environment),
asks a model about each file that changed, and writes review.md. It needs git
and Python, knows nothing of aex, and reads OPENAI_API_KEY and OPENAI_BASE_URL
as OpenAI's own SDK does.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

MODEL = os.environ.get("REVIEW_MODEL", "gpt-4o-mini")
LONGEST = 60_000  # characters of one file's changes
SYSTEM = (
    "You review one file of a pull request. Name faults that would hurt users, each with its line, "
    "in at most five bullet points. Say 'No faults found.' where there are none."
)


def git(*args):
    return subprocess.run(["git", *args], check=True, capture_output=True, text=True, errors="replace").stdout


def ask(path, diff):
    """Return the model's words on the changes of one file."""
    base = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/")
    body = {
        "model": MODEL,
        "max_tokens": 800,
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{path}:\n\n{diff[:LONGEST]}"},
        ],
    }
    request = urllib.request.Request(
        base + "/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.load(response)["choices"][0]["message"]["content"]


def main():
    base = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BASE_REF", "origin/main")
    paths = [path for path in git("diff", "--name-only", "--diff-filter=d", "-z", f"{base}...HEAD").split("\0") if path]
    with open("review.md", "w", encoding="utf-8") as review:
        review.write(f"# Review of {len(paths)} files\n")
        for path in paths:
            try:
                words = ask(path, git("diff", f"{base}...HEAD", "--", path))
            except urllib.error.HTTPError as error:
                review.write(f"\n## {path}\n\nNot reviewed: {error.code}\n")
                if error.code == 402:  # the budget; what was found so far is worth keeping
                    sys.exit("the money is gone before all was reviewed")
                raise
            review.write(f"\n## {path}\n\n{words}\n")
            review.flush()
    print(f"reviewed {len(paths)} files; see review.md")


if __name__ == "__main__":
    main()
