// The same bot as openai_bot.py, with the OpenAI SDK for Node as it comes.
import OpenAI from "openai";
import { show } from "./show.mjs";

const client = new OpenAI();
const model = "gpt-4o-mini";
const tools = [{ type: "function", function: {
  name: "weather", description: "tells the weather",
  parameters: { type: "object", properties: { city: { type: "string" } } } } }];

const whole = await client.chat.completions.create({ model, messages: [{ role: "user", content: "Say something, né 你好" }], seed: 7 });
show("whole", whole);

for (const options of [{}, { stream_options: { include_usage: true } }]) {
  const stream = await client.chat.completions.create({
    model, messages: [{ role: "user", content: "Go on" }], stream: true, n: 2, max_tokens: 50, ...options });
  for await (const chunk of stream) show("chunk", chunk);
}

const messages = [{ role: "user", content: "call the weather tool for Oslo" }];
const first = await client.chat.completions.create({ model: "gpt-4o", messages, tools, tool_choice: "auto" });
show("tool", first);
messages.push(first.choices[0].message);
for (const c of first.choices[0].message.tool_calls ?? [])
  messages.push({ role: "tool", tool_call_id: c.id, content: "rain" });
const second = await client.chat.completions.create({ model, messages, tools });
show("answer", second);

const streamed = client.chat.completions.stream({ model, messages: [{ role: "user", content: "once more" }] });
const final = await streamed.finalChatCompletion();
show("final", final);

show("response", await client.responses.create({ model: "gpt-5-mini", input: "Say something, né 你好" }));
for await (const event of await client.responses.create({ model: "gpt-5-mini", input: "Go on", stream: true })) show("event", event);

const tool = { type: "function", name: "weather", parameters: tools[0].function.parameters, strict: false };
const input = [{ role: "user", content: '[[tool weather {"city": "Oslo"}]]' }];
const called = await client.responses.create({ model: "gpt-5-mini", input, tools: [tool] });
show("response", called);
for (const item of called.output) {
  input.push(item);
  if (item.type === "function_call") input.push({ type: "function_call_output", call_id: item.call_id, output: "rain" });
}
show("response", await client.responses.create({ model: "gpt-5-mini", input, tools: [tool] }));

show("embedding", await client.embeddings.create({ model: "text-embedding-3-small", input: "a text" }));
show("embedding", await client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"], dimensions: 8 }));
