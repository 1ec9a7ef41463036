from openai import OpenAI
from steps import *

client, messages = OpenAI(), [{"role": "user", "content": PROMPT}]
tools = [{"type": "function", "function": {"name": "step", "description": "does a step", "parameters": SCHEMA}}]
while True:
    message = client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
    if not message.tool_calls:
        break
    messages.append(message)
    for call in message.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": step(**arguments(call.function.arguments))})
say(message.content)
with client.responses.stream(model=MODEL, input="Go on") as stream:
    for event in stream:
        pass
    say(stream.get_final_response().output_text)
