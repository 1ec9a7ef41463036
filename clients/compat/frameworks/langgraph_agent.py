import os

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent
from steps import *

models = [ChatOpenAI(model=MODEL)]
if "ANTHROPIC_API_KEY" in os.environ:
    models.append(ChatAnthropic(model=CLAUDE, max_tokens=200))
for model in models:
    agent = create_react_agent(model, [step])
    for state in agent.stream({"messages": [("user", PROMPT)]}, stream_mode="values"):
        pass
    say(state["messages"][-1].text)
