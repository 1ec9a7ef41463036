// The work that every SDK is given: three calls of one tool, each asked for by
// the answer of the one before, and an answer.
export const prompt = 'Do the steps. [[tool step {"n": 1}]]';
export const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
export function step({ n }) {
  console.log("step", n);
  return n >= 3 ? "all is done" : `[[tool step {"n": ${n + 1}}]]`;
}
export const say = (text) => console.log("answer:", text.trim());
