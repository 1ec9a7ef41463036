package fakeprovider

import "encoding/json"

// What providers serve beside answers of models.

// besideRoutes are those below OpenAI's prefixes; none of them is charged.
var besideRoutes = map[string]route{
	"moderations":            {"moderations", chat{}, moderate},
	"responses/input_tokens": {countTokens, responses{}, countResponses},
}

func moderate(x *exchange) {
	x.sendWhole(200, marshal(map[string]any{
		"id": x.e.RequestID, "model": "omni-moderation-latest", "results": []any{map[string]any{"flagged": false, "categories": map[string]bool{}, "category_scores": map[string]float64{}}},
	}))
}

func countResponses(x *exchange) {
	x.count(wireResponses, func(prompt int64) any {
		return map[string]any{"object": "response.input_tokens", "input_tokens": prompt}
	})
}

// geminiEmbeddings is POST /v1beta/models/M:embedContent, and :batchEmbedContents.
type geminiEmbeddings struct {
	gemini
	batch bool
}

type embedContent struct {
	Content  geminiContent  `json:"content"`
	Requests []embedContent `json:"requests"`
}

func (g geminiEmbeddings) read(x *exchange) (*call, *refusal) {
	var q embedContent
	if err := json.Unmarshal(x.body, &q); err != nil {
		no := badRequest("", "Invalid JSON payload received. "+err.Error())
		return nil, &no
	}
	c := &call{model: g.model, outputs: 1}
	n := counter{perToken: x.p.opt.BytesPerToken}
	if !g.batch {
		q.Requests = []embedContent{q}
	}
	for _, one := range q.Requests {
		n.geminiContent(one.Content)
	}
	c.outputs = int64(len(q.Requests))
	c.take(&n)
	return c, nil
}

func (g geminiEmbeddings) whole(x *exchange) any {
	var all []any
	for i := range x.call.outputs {
		all = append(all, map[string]any{"values": vector(8, x.p.opt.Seed+i)})
	}
	a := map[string]any{"embeddings": all}
	if !g.batch {
		a = map[string]any{"embedding": all[0]}
	}
	if !x.b.NoUsage {
		a["usageMetadata"] = map[string]any{"promptTokenCount": x.plan.usage.Input}
	}
	return a
}
