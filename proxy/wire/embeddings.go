package wire

import (
	"net/http"

	"github.com/Auro-rium/aex/v3/policy"
)

// Embeddings is OpenAI's Embeddings API: input only. Fields as in
// openai-python types/embedding_create_params.py and
// types/create_embedding_response.py.
var Embeddings = &Wire{
	Dialect:   policy.Dialect{Name: policy.Embeddings, Type: policy.TypeOpenAI, Provider: "openai", PerRequest: 128, PerMessage: 8, PerTool: 32},
	Operation: "embeddings",
	Find:      posts("/embeddings"),
	Path:      always("/embeddings"),
	Silent:    true,
	Fields:    embeddingsFields,
	Authorize: bearer,
	Read:      readEmbeddings,
	Edit:      editEmbeddings,
	Meter:     meterEmbeddings,
	Refuse:    openAIError,
}

// embeddingsFields are the top-level fields whose meaning for the price is known.
var embeddingsFields = fieldSet("dimensions encoding_format input model user")

func readEmbeddings(_ *http.Request, body Object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:    policy.Embeddings,
		Model:   body.word("model"),
		Outputs: 1,
	}
	body.beside(embeddingsFields, &c)
	if body.flag("stream") {
		body.fault("embeddings are not streamed")
	}
	c.Messages = int(texts(body.Get("input"), &c))
	return c, *body.err
}

func editEmbeddings(body Object, e Edit) []Splice {
	if e.Model == "" {
		return nil
	}
	return []Splice{body.Set("model", Quote(e.Model))}
}

func meterEmbeddings(e Edit) Meter { return &embeddingsMeter{e} }

type embeddingsMeter struct{ Edit }

func (m *embeddingsMeter) Whole(status int, body []byte, r *Reading) []Splice {
	o, ok := answered(status, body, r, m.own)
	if !ok {
		return nil
	}
	r.Model = o.Get("model").Text()
	r.Finished = true
	if fails(o, "") {
		r.Failed, r.Own = true, m.own(o)
	}
	chatUsage.ReadIn(o, usageIn(o), m.Edit, r)
	r.Known = r.Input != nil
	return mask(o, "model", m.Masked)
}

// Event is not called for any known provider: there are no streams of embeddings. One
// that comes all the same has no usage.
func (m *embeddingsMeter) Event(Event, *Reading) (bool, []Splice) { return false, nil }

func (m *embeddingsMeter) Cut(*Reading) []byte { return nil }
