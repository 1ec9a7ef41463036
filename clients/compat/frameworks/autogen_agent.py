import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from steps import *


async def main():
    client = OpenAIChatCompletionClient(model=MODEL)
    agent = AssistantAgent("worker", client, tools=[step], max_tool_iterations=5)
    result = await agent.run(task=PROMPT)
    say(result.messages[-1].content)
    await client.close()


asyncio.run(main())
