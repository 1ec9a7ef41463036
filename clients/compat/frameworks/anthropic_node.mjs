import Anthropic from "@anthropic-ai/sdk";
import { prompt, say, schema, step } from "./steps.mjs";

const client = new Anthropic();
const messages = [{ role: "user", content: prompt }];
const tools = [{ name: "step", input_schema: schema }];
for (;;) {
  const answer = await client.messages.stream({ model: "claude-haiku-4-5", max_tokens: 200, messages, tools }).finalMessage();
  const calls = answer.content.filter((b) => b.type === "tool_use");
  if (!calls.length) { say(answer.content[0].text); break; }
  messages.push({ role: "assistant", content: answer.content });
  messages.push({ role: "user", content: calls.map((c) => ({ type: "tool_result", tool_use_id: c.id, content: step(c.input) })) });
}
