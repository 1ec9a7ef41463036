package fakeprovider

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
)

// embeddings is POST /v1/embeddings.
type embeddings struct{ openAI }

type embeddingsRequest struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input"`
	Format     string          `json:"encoding_format"`
	Dimensions *int            `json:"dimensions"`
}

const defaultDimensions = 1536

func (embeddings) read(x *exchange) (*call, *refusal) {
	var q embeddingsRequest
	if err := json.Unmarshal(x.body, &q); err != nil {
		no := badRequest("", "We could not parse the JSON body of your request: "+err.Error())
		return nil, &no
	}
	c := &call{model: q.Model, cap: 0, asked: &q}
	refuse := func(param, message string) (*call, *refusal) {
		no := badRequest(param, message)
		return c, &no
	}
	n := counter{perToken: x.p.opt.BytesPerToken}
	switch {
	case q.Model == "":
		return refuse("", "you must provide a model parameter")
	case len(q.Input) == 0:
		return refuse("input", "Missing required parameter: 'input'.")
	case q.Format != "" && q.Format != "float" && q.Format != "base64":
		return refuse("encoding_format", "Invalid value: '"+q.Format+"'. Supported values are: 'float' and 'base64'.")
	case q.Dimensions != nil && (*q.Dimensions < 1 || *q.Dimensions > 4096):
		return refuse("dimensions", "Invalid value for 'dimensions'.")
	}
	c.outputs = n.prompts(q.Input)
	c.take(&n)
	return c, nil
}

func (embeddings) whole(x *exchange) any {
	q := x.call.asked.(*embeddingsRequest)
	dimensions := defaultDimensions
	if q.Dimensions != nil {
		dimensions = *q.Dimensions
	}
	data := []any{}
	for i := range x.call.outputs {
		v := vector(dimensions, x.p.opt.Seed+i)
		var embedding any = v
		if q.Format == "base64" {
			b, _ := binary.Append(nil, binary.LittleEndian, v) // float32s always fit
			embedding = base64.StdEncoding.EncodeToString(b)
		}
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": embedding})
	}
	a := map[string]any{"object": "list", "data": data, "model": x.plan.model}
	switch {
	case x.b.NoUsage:
	case x.b.NullUsage:
		a["usage"] = nil
	case x.b.ZeroUsage:
		a["usage"] = tokenUsage{}
	default:
		a["usage"] = tokenUsage{Prompt: x.plan.prompt, Total: x.plan.prompt}
	}
	return a
}

// vector is of length one, and another for another seed.
func vector(n int, seed int64) []float32 {
	v := make([]float32, n)
	state := uint64(seed)*0x9E3779B97F4A7C15 + 1
	var sum float64
	for i := range v {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		v[i] = float32(int32(state>>32)) / math.MaxInt32
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

// events is never reached: embeddings are not streamed.
func (embeddings) events(*stream) {}
