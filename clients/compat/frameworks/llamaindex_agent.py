import asyncio

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.google_genai import GoogleGenAI
from llama_index.llms.openai import OpenAI
from steps import *


async def main():
    for llm in (OpenAI(model=MODEL), GoogleGenAI(model=GEMINI)):
        say(await FunctionAgent(tools=[step], llm=llm).run(PROMPT))


asyncio.run(main())
