from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from steps import *

tool = Tool(name="step", description="does a step", parameters=SCHEMA, function=step)
agent = Agent(chat_generator=OpenAIChatGenerator(model=MODEL), tools=[tool])
say(agent.run(messages=[ChatMessage.from_user(PROMPT)])["messages"][-1].text)
