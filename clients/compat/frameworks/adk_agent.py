import asyncio
import sys

from google.adk.agents import Agent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.genai import types
from steps import *


async def main():
    for model in (GEMINI, LiteLlm(model="openai/" + MODEL)):
        runner = InMemoryRunner(agent=Agent(name="worker", model=model, tools=[step]), app_name="app")
        session = await runner.session_service.create_session(app_name="app", user_id="me")
        said = types.Content(role="user", parts=[types.Part(text=PROMPT)])
        async for event in runner.run_async(user_id="me", session_id=session.id, new_message=said):
            if getattr(event, "error_message", None):
                sys.exit(event.error_message)
            if event.is_final_response() and event.content:
                say(event.content.parts[0].text)


asyncio.run(main())
