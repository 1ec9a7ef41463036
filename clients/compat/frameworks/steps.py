"""The work that every framework is given: three calls of one tool, each asked
for by the answer of the one before, and an answer."""
import json

MODEL = "gpt-4o-mini"
CLAUDE = "claude-haiku-4-5"
GEMINI = "gemini-2.5-flash"
GROQ = "llama-3.3-70b-versatile"
LAST = 3
PROMPT = 'Do the steps. [[tool step {"n": 1}]]'
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def step(n: int) -> str:
    """Does step n, and says which one is next.

    Args:
        n: the number of the step
    """
    print("step", n, flush=True)
    return "all is done" if n >= LAST else '[[tool step {"n": %d}]]' % (n + 1)


def say(answer):
    print("answer:", " ".join(str(answer).split()))


def arguments(text):
    return json.loads(text or "{}")
