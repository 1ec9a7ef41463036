from strands import Agent, tool
from strands.models.openai import OpenAIModel
from strands.models.anthropic import AnthropicModel
from steps import *

for model in (OpenAIModel(model_id=MODEL), AnthropicModel(model_id=CLAUDE, max_tokens=200)):
    result = Agent(model=model, tools=[tool(step)], callback_handler=None)(PROMPT)
    say(result)
