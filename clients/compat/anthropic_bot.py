"""A bot with the Anthropic SDK as it comes: whole answers, streams, tools, and
both kinds of writes to the cache."""
import anthropic

from show import show

client = anthropic.Anthropic()
MODEL = "claude-sonnet-4-5"
TOOL = {"name": "weather", "description": "tells the weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def said(text):
    return [{"role": "user", "content": text}]


show("whole", client.messages.create(model=MODEL, max_tokens=100, messages=said("Say something, né 你好")).model_dump())
with client.messages.create(model=MODEL, max_tokens=100, messages=said("Go on"), stream=True) as stream:
    for event in stream:
        show("event", event.model_dump())
with client.messages.stream(model=MODEL, max_tokens=100, messages=said("once more"), system="be brief") as stream:
    for text in stream.text_stream:
        show("text", text)
    show("final", stream.get_final_message().model_dump())

messages = said('[[tool weather {"city": "Oslo"}]]')
first = client.messages.create(model=MODEL, max_tokens=100, messages=messages, tools=[TOOL])
show("tool", first.model_dump())
messages.append({"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]})
messages.append({"role": "user", "content": [
    {"type": "tool_result", "tool_use_id": b.id, "content": "rain"} for b in first.content if b.type == "tool_use"]})
show("answer", client.messages.create(model=MODEL, max_tokens=100, messages=messages, tools=[TOOL]).model_dump())

for control in ({"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}):
    system = [{"type": "text", "text": "a long prompt " * 50, "cache_control": control}]
    show("cached", client.messages.create(model="claude-haiku-4-5", max_tokens=50, system=system, messages=said("hello")).model_dump())
    with client.messages.stream(model="claude-haiku-4-5", max_tokens=50, system=system, messages=said("hello")) as stream:
        show("cached", stream.get_final_message().model_dump())

show("count", client.messages.count_tokens(model=MODEL, messages=said("how long is it")).model_dump())
try:
    client.messages.create(model=MODEL, max_tokens=0, messages=said("x"))
except anthropic.APIStatusError as e:
    show("error", [type(e).__name__, e.status_code])
