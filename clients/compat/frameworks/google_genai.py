from google import genai
from google.genai import types
from steps import *

client = genai.Client()
answer = client.models.generate_content(model=GEMINI, contents=PROMPT, config=types.GenerateContentConfig(tools=[step]))
say(answer.text)
say("".join(chunk.text or "" for chunk in client.models.generate_content_stream(model=GEMINI, contents="Go on")))
