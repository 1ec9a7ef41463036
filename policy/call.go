// Package policy decides: what an agent may do, what a model costs, and how
// much a call can cost before it is made. It is pure: no clock, no network,
// and no I/O but the loading of the files it is told to load.
package policy

// The wires: the dialects of the providers' APIs.
const (
	Chat        = "chat"        // POST /v1/chat/completions
	Responses   = "responses"   // POST /v1/responses
	Completions = "completions" // POST /v1/completions
	Embeddings  = "embeddings"  // POST /v1/embeddings
	Messages    = "messages"    // POST /v1/messages (Anthropic)
	Gemini      = "gemini"      // POST /v1beta/models/M:generateContent
	Images      = "images"      // POST /v1/images/generations, /v1/images/edits

	Transcriptions = "transcriptions" // POST /v1/audio/transcriptions
)

// Dialect is what the policies know of a wire.
type Dialect struct {
	Name     string // Chat, Responses ...
	Type     string // the type of provider that speaks it
	Provider string // where a call goes if its model has no known provider

	// Tokens that providers add to a prompt and that are not in the request: chat
	// templates, default system lines, the wrapping of messages and tools. The figures
	// are above what has been measured (gpt-oss has the longest default system message,
	// some 80 tokens).
	PerRequest, PerMessage, PerTool int64
}

// Call is what the gateway knows of a request before it decides: facts that a
// wire has read from it. It holds no content.
type Call struct {
	Wire      string
	Model     string // as asked; "" when the request names none
	Stream    bool
	BodyBytes int64

	OutputCap *int64 // the client's cap on output tokens; nil: none given
	Fixed     bool   // no field of the request makes its output shorter
	Outputs   int64  // n, best_of, candidateCount: how many outputs are billed; at least 1

	Prompt      int64    // a bound of the prompt in tokens that does not go by its bytes; 0: none
	Messages    int      // messages, input items, contents, system included
	Tools       int      // tools declared, of every kind
	Defined     int      // of those, tools that the provider describes to the model itself
	ToolNames   []string // names of the function tools declared
	UnnamedTool bool     // a tool without a name, or of a kind that has none
	ToolChoice  bool     // tool_choice asks for a call
	ToolTurns   bool     // tool calls, or results of tools, are among the messages
	Hosted      []HostedTool
	HostedRule  string // HostedAuto, HostedAllow; "": refused, unless the request bounds them
	Found       int64  // the most tokens that a use of one has been seen to bring in

	Images []Image // every image part
	Audio  []Media // every audio part
	Files  []Media // every file or document part

	CacheWrite5m  bool     // cache_control asks for a five minute write (the default there)
	CacheWrite1h  bool     // cache_control asks for a one hour write
	Prediction    int64    // bytes of predicted output: what is rejected is billed as output beyond the cap
	ThinkingCap   int64    // thinking.budget_tokens, or a field with the same meaning: a target, not a bound; 0: none
	ThinkingOpen  bool     // the model chooses how much it thinks, and takes a figure for it
	ThinkingLevel bool     // the request says in a word how much it thinks
	Reason        bool     // the request asks for reasoning
	ReasonOff     string   // by which field it turns reasoning off: OffEffort ...; "": it does not
	AudioOut      bool     // the answer may be audio
	Tier          string   // service tier asked for
	Geo           string   // inference_geo asked for
	Fast          bool     // a faster, dearer mode asked for (speed: fast)
	Background    bool     // answer is fetched later
	Hidden        []string // fields that bring in content the gateway cannot see (previous_response_id, ...)
	Elsewhere     []string // fields by which a router lets another model answer, or does more than is read here (models, fallbacks, plugins ...)
	Unknown       []string // top-level fields the wire does not know; they matter in strict mode
}

// HostedTool is a tool that the provider runs itself, at a fee or with input of its own.
type HostedTool struct {
	Type    string // web_search, web_search_20250305, code_interpreter, file_search, google_search, ...
	MaxUses int64  // the request's own bound (max_uses, max_tool_calls); 0: unbounded
	Tool    bool   // it stands in the request's list of tools, and can be taken out
}

// Image is one image part. Zero Width means that its size is not known.
type Image struct {
	Width, Height int
	Detail        string // "low", "high", "auto", ""
	Remote        bool   // given by URL or file id: the bytes are not in the request
	Bytes         int64  // of the decoded data in the request; 0 when Remote or not known
}

// Media is one audio, video, file or document part.
type Media struct {
	Bytes  int64  // of the decoded data in the request; 0 when Remote
	Millis int64  // how long it sounds at most, in milliseconds, where its format shows that; 0: not known
	Type   string // MIME type or format where given
	Remote bool
}

// Usage is what a call used, in classes that do not overlap.
type Usage struct {
	Input        int64
	CacheRead    int64
	CacheWrite5m int64
	CacheWrite1h int64
	Output       int64 // reasoning included
	AudioIn      int64 // read from a cache or not: a cached audio token is billed as audio
	AudioOut     int64
	Searches     int64 // counted fees: web searches
}

// AddTool notes a declared tool by its name; one without a name fails any list
// of allowed names.
func (c *Call) AddTool(name string) {
	if name == "" {
		c.UnnamedTool = true
		return
	}
	c.ToolNames = append(c.ToolNames, name)
}
