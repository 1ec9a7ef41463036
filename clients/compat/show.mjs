// What bots print of their answers: all that does not differ from one run to the next.
const passing = new Set(["id", "created", "created_at", "completed_at", "_request_id", "item_id", "call_id", "tool_use_id",
  "responseId", "sdkHttpResponse"]);

const steady = (key, value) => (passing.has(key) ? undefined : value);

export const show = (kind, value) => console.log(kind, JSON.stringify(value, steady));
