import Groq from "groq-sdk";
import { prompt, say, schema, step } from "./steps.mjs";

const client = new Groq();
const messages = [{ role: "user", content: prompt }];
const tools = [{ type: "function", function: { name: "step", parameters: schema } }];
for (;;) {
  const { message } = (await client.chat.completions.create({ model: "llama-3.3-70b-versatile", messages, tools })).choices[0];
  if (!message.tool_calls) { say(message.content); break; }
  messages.push({ role: "assistant", tool_calls: message.tool_calls });
  for (const call of message.tool_calls)
    messages.push({ role: "tool", tool_call_id: call.id, content: step(JSON.parse(call.function.arguments)) });
}
