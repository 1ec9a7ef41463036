import asyncio

from agents import Agent, Runner, function_tool
from steps import *


async def main():
    result = Runner.run_streamed(Agent(name="worker", model=MODEL, tools=[function_tool(step)]), PROMPT)
    async for event in result.stream_events():
        pass
    say(result.final_output)


asyncio.run(main())
