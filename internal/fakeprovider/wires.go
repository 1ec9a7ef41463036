package fakeprovider

// The wires that answer as chat does until their own files are there.
type (
	responses   struct{ chat }
	completions struct{ chat }
	embeddings  struct{ chat }
	messages    struct{ chat }
	gemini      struct {
		chat
		array bool
	}
)

func countMessages(x *exchange)  { x.generate() }
func storedResponse(x *exchange) { listOpenAI(x) }

func geminiRoute(path string, post bool) (route, bool) {
	return route{wireGemini, gemini{}, (*exchange).generate}, post
}
