package wire

import (
	"net/http"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// GeminiEmbeddings is Google's embedContent and batchEmbedContents: input only.
// Fields as in ai.google.dev/api/embeddings. Not every answer tells its usage;
// one that does not costs its bound.
var GeminiEmbeddings = &Wire{
	Dialect:   policy.Dialect{Name: "gemini_embeddings", Type: policy.TypeGemini, Provider: "google", PerRequest: 128, PerMessage: 8, PerTool: 32},
	Operation: "embeddings",
	Find:      findGeminiEmbeddings,
	Path:      geminiPath,
	Silent:    true,
	Fields:    geminiEmbeddingsFields,
	Authorize: geminiKey,
	Read:      readGeminiEmbeddings,
	Edit:      func(Object, Edit) []Splice { return nil },
	Meter:     func(e Edit) Meter { return &geminiEmbeddingsMeter{e} },
	Refuse:    geminiError,
}

func findGeminiEmbeddings(method, path string) (Route, bool) {
	rest, beta := strings.CutPrefix(path, "/v1beta/")
	version := ""
	if !beta {
		version = stableGemini
		rest = strings.TrimPrefix(path, stableGemini)
	}
	_, action, _ := strings.Cut(rest, ":")
	embeds := action == "embedContent" || action == "batchEmbedContents"
	return Route{Rest: version + rest}, embeds && method == http.MethodPost && strings.HasPrefix(rest, "models/")
}

// geminiEmbeddingsFields are those of one text, and of a batch.
var geminiEmbeddingsFields = fieldSet("content model output_dimensionality requests task_type title auto_truncate embed_content_config")

func readGeminiEmbeddings(_ *http.Request, body Object, rest string) (policy.Call, error) {
	model, _ := geminiRest(rest)
	c := policy.Call{Wire: policy.Embeddings, Model: model, Outputs: 1}
	one := func(o Object) {
		for _, m := range o.members {
			if !geminiEmbeddingsFields[Snake(m.name)] {
				c.Unknown = append(c.Unknown, plain.Clip(m.name, 40))
			}
		}
		if named := strings.TrimPrefix(o.word("model"), "models/"); named != "" && named != model {
			body.fault("the batch names another model than the path")
		}
		c.Messages++
		geminiContent(o.member("content"), &c)
	}
	one(body)
	body.list("requests", one)
	return c, *body.err
}

type geminiEmbeddingsMeter struct{ Edit }

func (m *geminiEmbeddingsMeter) Whole(status int, body []byte, r *Reading) []Splice {
	doc, err := Parse(body)
	if err != nil {
		return nil
	}
	o := doc.Object(new(error))
	usage := o.protoChild("usage_metadata")
	if r.Finished = true; status >= 400 && usage.Kind() != '{' {
		r.Refused = !o.Get("error").isNull()
		return nil
	}
	if fails(o, "") {
		r.Failed, r.Own = true, ownError(o, m.host())
	}
	if n := usage.protoCount("prompt_token_count", 0); n != nil && *n <= maxTokens {
		r.Usage, r.Known = policy.Usage{Input: *n}, true
	}
	return nil
}
func (*geminiEmbeddingsMeter) Event(Event, *Reading) (bool, []Splice) { return false, nil }
func (*geminiEmbeddingsMeter) Cut(*Reading) []byte                    { return nil }
