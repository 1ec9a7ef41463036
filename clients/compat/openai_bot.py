"""A bot that does what bots do, with the OpenAI SDK as it comes: chat,
responses and embeddings; whole answers, streams, a tool call and its result."""
import openai

from show import show, steady

client = openai.OpenAI()
MODEL = "gpt-4o-mini"
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "tells the weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]


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

for kwargs in ({"input": "Say something, né 你好"}, {"input": [{"role": "user", "content": "once more"}], "instructions": "be brief", "max_output_tokens": 60}):
    show("response", client.responses.create(model="gpt-5-mini", **kwargs).model_dump())
with client.responses.create(model="gpt-5-mini", input="Go on", stream=True) as stream:
    for event in stream:
        show("event", event.model_dump())

TOOL = {"type": "function", "name": "weather", "parameters": TOOLS[0]["function"]["parameters"], "strict": False}
asked = [{"role": "user", "content": '[[tool weather {"city": "Oslo"}]]'}]
first = client.responses.create(model="gpt-5-mini", input=asked, tools=[TOOL])
show("response", first.model_dump())
for item in first.output:
    asked.append(item.model_dump(exclude_none=True))
    if item.type == "function_call":
        asked.append({"type": "function_call_output", "call_id": item.call_id, "output": "rain"})
show("response", client.responses.create(model="gpt-5-mini", input=asked, tools=[TOOL]).model_dump())

for options in ({"input": "a text"}, {"input": ["one", "two", "né 你好"], "encoding_format": "float", "dimensions": 8}):
    show("embedding", client.embeddings.create(model="text-embedding-3-small", **options).model_dump())

show("models", len([m.id for m in client.models.list()]) > 0)
