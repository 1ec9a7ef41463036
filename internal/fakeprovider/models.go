package fakeprovider

import "strings"

// listOpenAI is GET /v1/models and /v1/models/{id}.
func listOpenAI(x *exchange) {
	entry := func(id string) map[string]any {
		return map[string]any{"id": id, "object": "model", "created": 1715367049, "owned_by": "system"}
	}
	if id := pathTail(x.r.URL.Path, "models/"); id != "" {
		if !contains(x.p.opt.Models, id) {
			x.refuse(refusal{status: 404, kind: "invalid_request_error", param: "model", code: "model_not_found",
				message: "The model '" + id + "' does not exist"})
			return
		}
		x.sendWhole(200, marshal(entry(id)))
		return
	}
	data := []any{}
	for _, id := range x.p.opt.Models {
		data = append(data, entry(id))
	}
	x.sendWhole(200, marshal(map[string]any{"object": "list", "data": data}))
}

// listMessages is the same in Anthropic's dialect.
func listMessages(x *exchange) {
	entry := func(id string) map[string]any {
		return map[string]any{"type": "model", "id": id, "display_name": id, "created_at": "2025-10-01T00:00:00Z"}
	}
	if id := pathTail(x.r.URL.Path, "models/"); id != "" {
		if !contains(x.p.opt.Models, id) {
			x.refuse(refusal{status: 404, message: "model: " + id})
			return
		}
		x.sendWhole(200, marshal(entry(id)))
		return
	}
	data := []any{}
	for _, id := range x.p.opt.Models {
		if strings.HasPrefix(id, "claude") {
			data = append(data, entry(id))
		}
	}
	list := map[string]any{"data": data, "has_more": false, "first_id": nil, "last_id": nil}
	if len(data) > 0 {
		list["first_id"] = data[0].(map[string]any)["id"]
		list["last_id"] = data[len(data)-1].(map[string]any)["id"]
	}
	x.sendWhole(200, marshal(list))
}

// listGemini is GET /v1beta/models and /v1beta/models/{id}.
func listGemini(x *exchange) {
	entry := func(id string) map[string]any {
		return map[string]any{"name": "models/" + id, "version": "001", "displayName": id,
			"inputTokenLimit": 1048576, "outputTokenLimit": 65536,
			"supportedGenerationMethods": []string{"generateContent", "countTokens"}}
	}
	if id := pathTail(x.r.URL.Path, "models/"); id != "" {
		if !contains(x.p.opt.Models, id) {
			x.refuse(refusal{status: 404, message: "models/" + id + " is not found for API version v1beta, or is not supported for generateContent."})
			return
		}
		x.sendWhole(200, marshal(entry(id)))
		return
	}
	list := []any{}
	for _, id := range x.p.opt.Models {
		if strings.HasPrefix(id, "gemini") {
			list = append(list, entry(id))
		}
	}
	x.sendWhole(200, marshal(map[string]any{"models": list}))
}
