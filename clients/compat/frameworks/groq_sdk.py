from groq import Groq
from steps import *

client, messages = Groq(), [{"role": "user", "content": PROMPT}]
tools = [{"type": "function", "function": {"name": "step", "description": "does a step", "parameters": SCHEMA}}]
while True:
    message = client.chat.completions.create(model=GROQ, messages=messages, tools=tools).choices[0].message
    if not message.tool_calls:
        break
    messages.append({"role": "assistant", "tool_calls": [c.model_dump() for c in message.tool_calls]})
    for call in message.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": step(**arguments(call.function.arguments))})
say(message.content)
say("".join(c.choices[0].delta.content or "" for c in client.chat.completions.create(
    model=GROQ, messages=[{"role": "user", "content": "Go on"}], stream=True)))
