import logging

from smolagents import LiteLLMModel, OpenAIServerModel, ToolCallingAgent, tool
from steps import *

for model in (OpenAIServerModel(model_id=MODEL), LiteLLMModel(model_id="anthropic/" + CLAUDE)):
    agent = ToolCallingAgent(tools=[tool(step)], model=model, max_steps=4, verbosity_level=-1)
    try:
        say(agent.run(PROMPT))
    except Exception as e:  # it asks again for a final answer that is a tool's call
        if "aex:" in str(e):
            raise
        say(type(e).__name__)
