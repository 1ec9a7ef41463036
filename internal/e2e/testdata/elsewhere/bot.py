"""A bot with OpenAI's SDK as it comes: bot.py ask, or bot.py loop, which takes
neither a refusal nor a signal for a reason to stop."""
import signal
import subprocess
import sys

import openai

client = openai.OpenAI()
ask = [{"role": "user", "content": "Say something about runners. " * 20}]


def once(n):
    if n % 2:
        with client.chat.completions.create(model="gpt-4o-mini", messages=ask, stream=True) as stream:
            return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    return client.chat.completions.create(model="gpt-4o-mini", messages=ask).choices[0].message.content


if sys.argv[1] == "ask":
    for n in range(3):
        print("answer:", once(n), flush=True)
    sys.exit(0)

for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(name, signal.SIG_IGN)
subprocess.Popen(["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 60; done"], start_new_session=True)
n = 0
while True:
    n += 1
    try:
        once(n)
    except openai.OpenAIError:
        pass
