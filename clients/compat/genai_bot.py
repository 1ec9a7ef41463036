"""A bot with Google's SDK as it comes: a whole answer, a stream, a tool call
and its result."""
from google import genai
from google.genai import types

from show import show

client = genai.Client()
MODEL = "gemini-2.5-flash"


def dump(answer):
    return answer.model_dump(exclude={"sdk_http_response", "response_id", "create_time", "parsed"}, exclude_none=True)


show("whole", dump(client.models.generate_content(model=MODEL, contents="Say something, né 你好")))
for chunk in client.models.generate_content_stream(model=MODEL, contents="Go on"):
    show("chunk", dump(chunk))

weather = types.FunctionDeclaration(name="weather", description="tells the weather", parameters=types.Schema(
    type="OBJECT", properties={"city": types.Schema(type="STRING")}))
config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[weather])], max_output_tokens=90,
                                     automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))
contents = [types.Content(role="user", parts=[types.Part(text='[[tool weather {"city": "Oslo"}]]')])]
first = client.models.generate_content(model=MODEL, contents=contents, config=config)
show("tool", dump(first))
contents.append(first.candidates[0].content)
contents.append(types.Content(role="user", parts=[types.Part.from_function_response(name="weather", response={"sky": "rain"})]))
show("answer", dump(client.models.generate_content(model=MODEL, contents=contents, config=config)))
for chunk in client.models.generate_content_stream(model="gemini-2.5-pro", contents="once more"):
    show("chunk", dump(chunk))
