// The same bot as anthropic_bot.py, with the Anthropic SDK for Node as it comes.
import Anthropic from "@anthropic-ai/sdk";
import { show } from "./show.mjs";

const client = new Anthropic();
const model = "claude-sonnet-4-5";
const said = (content) => [{ role: "user", content }];
const tools = [{ name: "weather", description: "tells the weather",
  input_schema: { type: "object", properties: { city: { type: "string" } } } }];

show("whole", await client.messages.create({ model, max_tokens: 100, messages: said("Say something, né 你好") }));
for await (const event of await client.messages.create({ model, max_tokens: 100, messages: said("Go on"), stream: true })) show("event", event);
show("final", await client.messages.stream({ model, max_tokens: 100, messages: said("once more"), system: "be brief" }).finalMessage());

const messages = said('[[tool weather {"city": "Oslo"}]]');
const first = await client.messages.create({ model, max_tokens: 100, messages, tools });
show("tool", first);
messages.push({ role: "assistant", content: first.content });
messages.push({ role: "user", content: first.content.filter((b) => b.type === "tool_use")
  .map((b) => ({ type: "tool_result", tool_use_id: b.id, content: "rain" })) });
show("answer", await client.messages.create({ model, max_tokens: 100, messages, tools }));

for (const cache_control of [{ type: "ephemeral" }, { type: "ephemeral", ttl: "1h" }]) {
  const system = [{ type: "text", text: "a long prompt ".repeat(50), cache_control }];
  const asked = { model: "claude-haiku-4-5", max_tokens: 50, system, messages: said("hello") };
  show("cached", await client.messages.create(asked));
  show("cached", await client.messages.stream(asked).finalMessage());
}
