// The same bot as genai_bot.py, with Google's SDK for Node as it comes.
import { GoogleGenAI } from "@google/genai";
import { show } from "./show.mjs";

const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY });
const model = "gemini-2.5-flash";

show("whole", await client.models.generateContent({ model, contents: "Say something, né 你好" }));
for await (const chunk of await client.models.generateContentStream({ model, contents: "Go on" })) show("chunk", chunk);

const config = { maxOutputTokens: 90, tools: [{ functionDeclarations: [{ name: "weather", description: "tells the weather",
  parameters: { type: "OBJECT", properties: { city: { type: "STRING" } } } }] }] };
const contents = [{ role: "user", parts: [{ text: '[[tool weather {"city": "Oslo"}]]' }] }];
const first = await client.models.generateContent({ model, contents, config });
show("tool", first);
contents.push(first.candidates[0].content, { role: "user", parts: [{ functionResponse: { name: "weather", response: { sky: "rain" } } }] });
show("answer", await client.models.generateContent({ model, contents, config }));
