import os

os.environ.update(CREWAI_DISABLE_TELEMETRY="true", CREWAI_TRACING_ENABLED="false", OTEL_SDK_DISABLED="true", CREWAI_TESTING="true")
from crewai import Agent, Crew, Task
from crewai.tools import tool
from steps import *

agent = Agent(role="worker", goal="do the steps", backstory="a worker", llm="openai/" + MODEL, tools=[tool("step")(step)], verbose=False)
task = Task(description=PROMPT, expected_output="an answer", agent=agent)
say(Crew(agents=[agent], tasks=[task], verbose=False).kickoff())
