package proxy

import (
	"slices"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// serveModels lists the models that the agent may use, or one of them, as the
// API does that was asked.
func (c *call) serveModels() error {
	caps, err := capabilities(c.id)
	if err != nil {
		return refusal.New("policy_denied", "the policy of agent %s cannot be read: %v", c.id.Agent, err)
	}
	list := slices.DeleteFunc(c.g.registry.Load().Models(), func(m policy.Model) bool { return !allowed(caps, m) })
	one := slices.IndexFunc(list, func(m policy.Model) bool { return m.Name == c.route.rest })
	switch c.route.free {
	case "model", "gemini_model":
		switch {
		case one < 0:
			return refusal.New("model_not_allowed", "agent %s has no model %q", c.id.Agent, plain.Clip(c.route.rest, 100))
		case c.route.free == "model":
			return c.answer(listed(list[one]))
		}
		return c.answer(geminiListed(list[one]))
	case "gemini_models":
		models := []geminiModel{}
		for _, m := range list {
			models = append(models, geminiListed(m))
		}
		return c.answer(map[string]any{"models": models})
	}
	data := []listedModel{}
	for _, m := range list {
		data = append(data, listed(m))
	}
	answer := map[string]any{"object": "list", "data": data, "has_more": false, "first_id": nil, "last_id": nil}
	if len(data) > 0 {
		answer["first_id"], answer["last_id"] = data[0].ID, data[len(data)-1].ID
	}
	return c.answer(answer)
}

// listedModel is a model as OpenAI and Anthropic list it: they ask by the same
// path.
type listedModel struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Created   int64  `json:"created"`
	OwnedBy   string `json:"owned_by"`
	Type      string `json:"type"`
	Display   string `json:"display_name"`
	CreatedAt string `json:"created_at"`
}

func listed(m policy.Model) listedModel {
	return listedModel{ID: m.Name, Object: "model", OwnedBy: m.Provider.Name, Type: "model", Display: m.Name, CreatedAt: "1970-01-01T00:00:00Z"}
}

// geminiModel is one as Google lists it. Libraries go by its limits.
type geminiModel struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Display string   `json:"displayName"`
	Input   int64    `json:"inputTokenLimit,omitempty"`
	Output  int64    `json:"outputTokenLimit,omitempty"`
	Methods []string `json:"supportedGenerationMethods"`
}

func geminiListed(m policy.Model) geminiModel {
	return geminiModel{Name: "models/" + m.Name, Version: "001", Display: m.Name, Input: m.Context, Output: m.MaxOutput, Methods: []string{"generateContent", "countTokens"}}
}
