import OpenAI from "openai";
import { prompt, say, schema, step } from "./steps.mjs";

const client = new OpenAI();
const messages = [{ role: "user", content: prompt }];
const tools = [{ type: "function", function: { name: "step", parameters: schema } }];
for (;;) {
  const { message } = (await client.chat.completions.create({ model: "gpt-4o-mini", messages, tools })).choices[0];
  if (!message.tool_calls) { say(message.content); break; }
  messages.push(message);
  for (const call of message.tool_calls)
    messages.push({ role: "tool", tool_call_id: call.id, content: step(JSON.parse(call.function.arguments)) });
}
say((await client.responses.stream({ model: "gpt-4o-mini", input: "Go on" }).finalResponse()).output_text);
