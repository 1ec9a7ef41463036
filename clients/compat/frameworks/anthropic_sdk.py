import anthropic
from steps import *

client, messages = anthropic.Anthropic(), [{"role": "user", "content": PROMPT}]
tools = [{"name": "step", "description": "does a step", "input_schema": SCHEMA}]
while True:
    with client.messages.stream(model=CLAUDE, max_tokens=200, messages=messages, tools=tools) as stream:
        answer = stream.get_final_message()
    calls = [block for block in answer.content if block.type == "tool_use"]
    if not calls:
        break
    messages.append({"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in answer.content]})
    messages.append({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": c.id, "content": step(**c.input)} for c in calls]})
say(answer.content[0].text)
