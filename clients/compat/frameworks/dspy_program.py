import dspy
from steps import *

for model in ("openai/" + MODEL, "groq/" + GROQ, "gemini/" + GEMINI):
    lm = dspy.LM(model, cache=False, max_tokens=100)
    for n in range(LAST):
        say(lm("Go on " + str(n))[0])
