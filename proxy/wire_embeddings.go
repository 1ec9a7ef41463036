package proxy

import (
	"net/http"

	"github.com/Auro-rium/aex/v3/policy"
)

// embeddings is OpenAI's Embeddings API: input only. Fields as in
// openai-python types/embedding_create_params.py and
// types/create_embedding_response.py.
type embeddings struct{}

func (embeddings) name() string                     { return policy.Embeddings }
func (embeddings) path(policy.Model, string) string { return "/embeddings" }
func (embeddings) refusal(f fault) []byte           { return openAIError(f) }

// embeddingsFields are the top-level fields whose meaning for the price is known.
var embeddingsFields = fieldSet("dimensions encoding_format input model user")

func (embeddings) read(_ *http.Request, body object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:    policy.Embeddings,
		Model:   body.get("model").text(),
		Outputs: 1,
		Unknown: body.unknown(embeddingsFields),
	}
	if body.get("stream").truth() {
		body.fault("embeddings are not streamed")
	}
	c.Messages = int(texts(body.get("input"), &c))
	return c, *body.err
}

func (embeddings) edit(body object, e edit) []splice {
	if e.model == "" {
		return nil
	}
	return []splice{body.set("model", quote(e.model))}
}

func (embeddings) meter(e edit) meter { return &embeddingsMeter{e} }

type embeddingsMeter struct{ edit }

func (m *embeddingsMeter) whole(status int, body []byte, r *reading) []splice {
	doc, err := parse(body)
	if err != nil {
		return nil
	}
	o := doc.object(new(error))
	usage := o.get("usage")
	if status >= 400 {
		if usage.isNull() {
			r.refused = openAIRefused(o)
			return nil
		}
	}
	r.model = o.get("model").text()
	r.finished = true
	chatUsage.read(usage, m.call, r)
	r.known = r.input != nil
	return mask(o, "model", m.masked)
}

// event is not reached: there is no stream of embeddings. One that comes all
// the same stays without usage.
func (m *embeddingsMeter) event(event, *reading) (bool, []splice) { return false, nil }

func (m *embeddingsMeter) cut(*reading) []byte { return nil }
