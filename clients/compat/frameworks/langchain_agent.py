from langchain.agents import create_agent
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_groq import ChatGroq
from langchain_openai import ChatOpenAI
from steps import *

for model in (ChatOpenAI(model=MODEL), ChatGroq(model=GROQ), ChatGoogleGenerativeAI(model=GEMINI)):
    state = create_agent(model, [step]).invoke({"messages": [("user", PROMPT)]})
    say(state["messages"][-1].text)
say("".join(chunk.text for chunk in ChatOpenAI(model=MODEL).stream("Go on")))
