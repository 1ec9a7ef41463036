"""A bot that does what bots do, with the OpenAI SDK as it comes: a whole
answer, a stream, a tool call and its result, an embedding. It prints all that
it got that does not differ from one run to the next."""
import json

import openai

client = openai.OpenAI()
MODEL = "gpt-4o-mini"
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "tells the weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]


def show(kind, value):
    print(kind, json.dumps(value, sort_keys=True, ensure_ascii=False), flush=True)


def steady(dump):
    for name in ("id", "created", "request_id"):
        dump.pop(name, None)
    return dump


whole = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Say something, né 你好"}], seed=7)
show("whole", steady(whole.model_dump()))

for options in ({}, {"stream_options": {"include_usage": True}}):
    with client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Go on"}], stream=True, n=2, max_tokens=50, **options
    ) as stream:
        for chunk in stream:
            show("chunk", steady(chunk.model_dump()))

messages = [{"role": "user", "content": "call the weather tool for Oslo"}]
first = client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS, tool_choice="auto")
show("tool", steady(first.model_dump()))
calls = first.choices[0].message.tool_calls or []
messages.append(first.choices[0].message.model_dump(exclude_none=True))
messages += [{"role": "tool", "tool_call_id": c.id, "content": "rain"} for c in calls]
second = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS)
show("answer", steady(second.model_dump()))

try:
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}], temperature="hot")
except openai.APIError as e:
    show("error", [type(e).__name__, getattr(e, "status_code", None)])

show("models", len([m.id for m in client.models.list()]) > 0)
