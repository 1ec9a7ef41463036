from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent
from steps import *

for model in (ChatOpenAI(model=MODEL), ChatAnthropic(model=CLAUDE, max_tokens=200)):
    agent = create_react_agent(model, [step])
    for state in agent.stream({"messages": [("user", PROMPT)]}, stream_mode="values"):
        pass
    say(state["messages"][-1].text)
