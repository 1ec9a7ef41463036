from pydantic_ai import Agent
from steps import *

for model in ("openai:" + MODEL, "anthropic:" + CLAUDE, "google:" + GEMINI, "groq:" + GROQ):
    say(Agent(model, tools=[step]).run_sync(PROMPT).output)
