// The Vercel AI SDK: a loop of tool calls with each provider's own package.
import { generateText, stepCountIs, streamText, tool, jsonSchema } from "ai";
import { anthropic } from "@ai-sdk/anthropic";
import { google } from "@ai-sdk/google";
import { openai } from "@ai-sdk/openai";

const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"], additionalProperties: false };
const step = tool({
  description: "does a step",
  inputSchema: jsonSchema(schema),
  execute: async ({ n }) => {
    console.log("step", n);
    return n >= 3 ? "all is done" : `[[tool step {"n": ${n + 1}}]]`;
  },
});
const work = { tools: { step }, stopWhen: stepCountIs(6), maxRetries: 0, prompt: 'Do the steps. [[tool step {"n": 1}]]' };
const models = [openai("gpt-4o-mini"), anthropic("claude-haiku-4-5")];
if (process.env.GOOGLE_GENERATIVE_AI_BASE_URL) models.push(google("gemini-2.5-flash"));
for (const model of models) console.log("answer:", (await generateText({ model, maxOutputTokens: 200, ...work })).text);
const streamed = streamText({ model: models[0], maxRetries: 0, prompt: "Go on", onError: ({ error }) => { throw error; } });
console.log("answer:", await streamed.text);
