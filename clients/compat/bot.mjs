// The same bot as bot.py, with the OpenAI SDK for Node as it comes.
import OpenAI from "openai";

const client = new OpenAI();
const model = "gpt-4o-mini";
const tools = [{ type: "function", function: {
  name: "weather", description: "tells the weather",
  parameters: { type: "object", properties: { city: { type: "string" } } } } }];

const steady = (o) => {
  const { id, created, _request_id, ...rest } = o;
  return rest;
};
const show = (kind, value) => console.log(kind, JSON.stringify(value));

const whole = await client.chat.completions.create({ model, messages: [{ role: "user", content: "Say something, né 你好" }], seed: 7 });
show("whole", steady(whole));

for (const options of [{}, { stream_options: { include_usage: true } }]) {
  const stream = await client.chat.completions.create({
    model, messages: [{ role: "user", content: "Go on" }], stream: true, n: 2, max_tokens: 50, ...options });
  for await (const chunk of stream) show("chunk", steady(chunk));
}

const messages = [{ role: "user", content: "call the weather tool for Oslo" }];
const first = await client.chat.completions.create({ model: "gpt-4o", messages, tools, tool_choice: "auto" });
show("tool", steady(first));
messages.push(first.choices[0].message);
for (const c of first.choices[0].message.tool_calls ?? [])
  messages.push({ role: "tool", tool_call_id: c.id, content: "rain" });
const second = await client.chat.completions.create({ model, messages, tools });
show("answer", steady(second));

const streamed = client.chat.completions.stream({ model, messages: [{ role: "user", content: "once more" }] });
const final = await streamed.finalChatCompletion();
show("final", steady(final));
