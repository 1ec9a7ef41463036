from agno.agent import Agent
from agno.models.anthropic import Claude
from agno.models.google import Gemini
from agno.models.openai import OpenAIChat
from steps import *

for model in (OpenAIChat(id=MODEL), Gemini(id=GEMINI), Claude(id=CLAUDE)):
    result = Agent(model=model, tools=[step], telemetry=False).run(PROMPT)
    say(result.content)
    if str(result.status).lower().endswith("error"):
        raise SystemExit(1)
