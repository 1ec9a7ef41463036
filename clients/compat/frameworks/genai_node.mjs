import { GoogleGenAI } from "@google/genai";
import { prompt, say, schema, step } from "./steps.mjs";

const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY });
const contents = [{ role: "user", parts: [{ text: prompt }] }];
const config = { tools: [{ functionDeclarations: [{ name: "step", parametersJsonSchema: schema }] }] };
for (;;) {
  const answer = await client.models.generateContent({ model: "gemini-2.5-flash", contents, config });
  if (!answer.functionCalls?.length) { say(answer.text); break; }
  contents.push(answer.candidates[0].content);
  contents.push({ role: "user", parts: answer.functionCalls.map((c) => ({ functionResponse: { name: c.name, response: { output: step(c.args) } } })) });
}
