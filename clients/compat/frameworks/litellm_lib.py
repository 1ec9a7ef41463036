import litellm
from steps import *

tools = [{"type": "function", "function": {"name": "step", "description": "does a step", "parameters": SCHEMA}}]
for model in (MODEL, "groq/" + GROQ, "gemini/" + GEMINI, "anthropic/" + CLAUDE):
    messages = [{"role": "user", "content": PROMPT}]
    while True:
        message = litellm.completion(model=model, messages=messages, tools=tools, max_tokens=200).choices[0].message
        if not message.tool_calls:
            break
        messages.append(message.model_dump())
        for call in message.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": step(**arguments(call.function.arguments))})
    say(message.content)
