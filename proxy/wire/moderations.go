package wire

import (
	"net/http"

	"github.com/Auro-rium/aex/v3/policy"
)

// Moderations is OpenAI's Moderations API, which is free of charge
// (platform.openai.com/docs/guides/moderation).
var Moderations = &Wire{
	Dialect:   policy.Dialect{Name: "moderations", Type: policy.TypeOpenAI, Provider: "openai"},
	Operation: "moderation",
	Find: func(method, path string) (Route, bool) {
		return Route{Free: Relayed}, method == http.MethodPost && Unversioned(path) == "/moderations"
	},
	Path:      always("/moderations"),
	Authorize: bearer,
	Read:      Chat.Read,
	Edit:      func(Object, Edit) []Splice { return nil },
	Meter:     Embeddings.Meter,
	Refuse:    openAIError,
}
