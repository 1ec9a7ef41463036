import instructor
from pydantic import BaseModel
from steps import *


class Step(BaseModel):
    n: int


client = instructor.from_provider("openai/" + MODEL)
for n in range(1, LAST + 1):
    content = '[[tool Step {"n": %d}]]' % n
    say(client.chat.completions.create(response_model=Step, max_retries=0, messages=[{"role": "user", "content": content}]))
