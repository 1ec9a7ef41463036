package policy

// Pages that state facts about more than one host.
const (
	// OpenRouter tells whose work and bill end when a stream's connection closes.
	cancelPage = "https://openrouter.ai/docs/api-reference/streaming#stream-cancellation"
	speedPage  = "https://artificialanalysis.ai/leaderboards/providers" // highest of the host's, with a margin
	azurePage  = "https://learn.microsoft.com/azure/ai-foundry/openai/latest"
)

// hosts are the providers that are known, one a row, each fact with its source.
// The first of a name is the built-in provider. To add one, add a row: see
// CONTRIBUTING.md.
var hosts = []Host{{
	Name: openAI, Hosts: []string{"api.openai.com"}, Type: TypeOpenAI, Base: "https://api.openai.com/v1", Keys: []string{"OPENAI_API_KEY"},
	Cap: "max_completion_tokens", Errors: []string{ErrorObject}, Stops: true, Standard: "default", SearchFee: true, Pace: 2000,
	Count: "/v1/responses/input_tokens", Later: LaterResponse,
	Sources: map[string]string{
		"Keys":      "https://developers.openai.com/api/docs/libraries",
		"Cap":       "https://developers.openai.com/api/reference/resources/chat/subresources/completions/methods/create",
		"Errors":    "https://developers.openai.com/api/docs/guides/error-codes",
		"Stops":     cancelPage,
		"Standard":  "https://developers.openai.com/api/docs/guides/priority-processing",
		"SearchFee": "https://developers.openai.com/api/docs/pricing",
		"Pace":      "https://openai.com/index/introducing-gpt-5-3-codex-spark/", // over 1,000, its fastest
		"Count":     "https://developers.openai.com/api/docs/guides/token-counting",
		"Later":     "https://developers.openai.com/api/reference/resources/responses/methods/retrieve",
	},
}, {
	Name: anthropic, Hosts: []string{"api.anthropic.com"}, Type: TypeAnthropic, Base: "https://api.anthropic.com", Keys: []string{"ANTHROPIC_API_KEY"},
	Errors: []string{ErrorObject}, Stops: true, Standard: "standard_only", Pace: 1000, Count: "/v1/messages/count_tokens",
	Sources: map[string]string{
		"Keys":     "https://platform.claude.com/docs/en/api/overview",
		"Errors":   "https://platform.claude.com/docs/en/api/errors",
		"Stops":    cancelPage,
		"Standard": "https://platform.claude.com/docs/en/api/service-tiers",
		"Pace":     "https://platform.claude.com/docs/en/build-with-claude/fast-mode", // 2.5 times the standard pace
		"Count":    "https://platform.claude.com/docs/en/build-with-claude/token-counting",
	},
}, {
	Name: google, Hosts: []string{"generativelanguage.googleapis.com", "googleapis.com"}, Type: TypeGemini,
	Base: "https://generativelanguage.googleapis.com", Keys: []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject}, GoesOn: true, Standard: "standard", Pace: 2000, Count: "/v1beta/models/{model}:countTokens",
	Sources: map[string]string{
		"GoesOn":   cancelPage,
		"Keys":     "https://ai.google.dev/gemini-api/docs/api-key",
		"Cap":      "https://ai.google.dev/gemini-api/docs/openai",
		"Errors":   "https://ai.google.dev/gemini-api/docs/troubleshooting",
		"Standard": "https://ai.google.dev/gemini-api/docs/priority-inference",
		"Pace":     speedPage, // 887, Gemini 2.5 Flash-Lite
		"Count":    "https://ai.google.dev/gemini-api/docs/tokens",
	},
}, {
	Name: groqName, Hosts: []string{"api.groq.com"}, Type: TypeOpenAI, Base: "https://api.groq.com/openai/v1", Keys: []string{"GROQ_API_KEY"},
	Cap: "max_completion_tokens", Errors: []string{ErrorObject}, GoesOn: true, Usage: []string{"queue_time", "prompt_time", "completion_time", "total_time"}, Standard: "on_demand",
	Sources: map[string]string{
		"GoesOn":   cancelPage,
		"Keys":     "https://console.groq.com/docs/quickstart",
		"Cap":      "https://console.groq.com/docs/api-reference#chat-create",
		"Errors":   "https://console.groq.com/docs/errors",
		"Usage":    "https://console.groq.com/docs/api-reference#chat-create",
		"Standard": "https://console.groq.com/docs/service-tiers",
	},
}, {
	Name: "mistral", Hosts: []string{"api.mistral.ai"}, Type: TypeOpenAI, Base: "https://api.mistral.ai/v1", Keys: []string{"MISTRAL_API_KEY"},
	Cap: "max_tokens", NoStreamOpt: true, Errors: []string{ErrorNamed, ErrorObject, ErrorDetail}, GoesOn: true, Usage: []string{"num_cached_tokens", "prompt_audio_seconds"},
	Sources: map[string]string{
		"GoesOn":      cancelPage,
		"Keys":        "https://docs.mistral.ai/getting-started/quickstart",
		"Cap":         "https://github.com/editor-code-assistant/eca/issues/231",
		"NoStreamOpt": "https://github.com/openai/openai-agents-python/issues/442",
		"Errors":      "https://github.com/mistralai/platform-docs-public/issues/7",
		"Usage":       "https://docs.mistral.ai/api/endpoint/chat",
	},
}, {
	Name: "deepseek", Hosts: []string{"api.deepseek.com"}, Type: TypeOpenAI, Base: "https://api.deepseek.com/v1", Keys: []string{"DEEPSEEK_API_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject}, Usage: []string{"prompt_cache_hit_tokens", "prompt_cache_miss_tokens"}, Stops: true, Pace: 1000,
	Sources: map[string]string{
		"Keys":   "https://api-docs.deepseek.com/",
		"Cap":    "https://api-docs.deepseek.com/api/create-chat-completion",
		"Errors": "https://api-docs.deepseek.com/quick_start/error_codes",
		"Usage":  "https://api-docs.deepseek.com/guides/kv_cache",
		"Stops":  cancelPage,
		"Pace":   speedPage,
	},
}, {
	Name: "xai", Hosts: []string{"api.x.ai"}, Type: TypeOpenAI, Base: "https://api.x.ai/v1", Keys: []string{"XAI_API_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject, ErrorText}, Usage: []string{"num_sources_used", "num_server_side_tools_used", "server_side_tool_usage_details"},
	OwnCost: CostTicks, Stops: true, Pace: 2000,
	Sources: map[string]string{
		"Keys":    "https://docs.x.ai/docs/tutorial",
		"Cap":     "https://docs.x.ai/docs/api-reference#chat-completions",
		"Errors":  "https://docs.x.ai/docs/key-information/debugging",
		"Usage":   "https://docs.x.ai/developers/cost-tracking",
		"OwnCost": "https://docs.x.ai/developers/cost-tracking",
		"Stops":   cancelPage,
		"Pace":    speedPage,
	},
}, {
	Name: "together", Hosts: []string{"api.together.xyz", "api.together.ai"}, Type: TypeOpenAI, Base: "https://api.together.xyz/v1", Keys: []string{"TOGETHER_API_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject}, Usage: []string{"cached_tokens"}, Stops: true, Pace: 2000,
	Sources: map[string]string{
		"Keys":   "https://docs.together.ai/docs/quickstart",
		"Cap":    "https://docs.together.ai/reference/chat-completions",
		"Errors": "https://docs.together.ai/docs/error-codes",
		"Usage":  "https://docs.together.ai/reference/chat-completions",
		"Stops":  cancelPage,
		"Pace":   speedPage,
	},
}, {
	Name: "fireworks", Hosts: []string{"api.fireworks.ai"}, Type: TypeOpenAI, Base: "https://api.fireworks.ai/inference/v1", Keys: []string{"FIREWORKS_API_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject}, Stops: true, Pace: 2000,
	Sources: map[string]string{
		"Keys":   "https://docs.fireworks.ai/getting-started/quickstart",
		"Cap":    "https://docs.fireworks.ai/api-reference/post-chatcompletions",
		"Errors": "https://docs.fireworks.ai/guides/inference-error-codes",
		"Stops":  cancelPage,
		"Pace":   speedPage, // 683, gpt-oss-120b
	},
}, {
	Name: "cerebras", Hosts: []string{"api.cerebras.ai"}, Type: TypeOpenAI, Base: "https://api.cerebras.ai/v1", Keys: []string{"CEREBRAS_API_KEY"},
	Cap: "max_completion_tokens", Errors: []string{ErrorObject, ErrorFlat}, Usage: []string{"queue_time", "prompt_time", "completion_time", "total_time"},
	Sources: map[string]string{
		"Keys":   "https://inference-docs.cerebras.ai/quickstart",
		"Cap":    "https://inference-docs.cerebras.ai/api-reference/chat-completions",
		"Errors": "https://github.com/explyt/explyt/issues/35", // beside https://inference-docs.cerebras.ai/support/error, which shows no body
		"Usage":  "https://inference-docs.cerebras.ai/api-reference/chat-completions",
	},
}, {
	Name: "openrouter", Hosts: []string{"openrouter.ai"}, Type: TypeOpenAI, Base: "https://openrouter.ai/api/v1", Keys: []string{"OPENROUTER_API_KEY"}, Bearer: true,
	Cap: "max_tokens", Errors: []string{ErrorObject}, Usage: []string{"cost", "cost_details", "is_byok", "server_tool_use", "server_tool_use_details"}, OwnCost: CostDollars,
	StopsFor: []string{
		"OpenAI", "Azure", "Anthropic", "Fireworks", "Mancer", "Mancer 2", "Recursal", "Novita", "NovitaAI", "DeepInfra", "Together", "Cohere", "Hyperbolic",
		"Infermatic", "Avian", "Avian.io", "xAI", "Cloudflare", "SF Compute", "Nineteen", "Liquid", "Friendli", "Chutes", "DeepSeek",
	},
	Later: LaterGeneration,
	Sources: map[string]string{
		"Keys":     "https://openrouter.ai/docs/api-reference/authentication",
		"Bearer":   "https://openrouter.ai/docs/guides/guides/claude-code-integration",
		"Cap":      "https://openrouter.ai/docs/api-reference/parameters",
		"Errors":   "https://openrouter.ai/docs/api-reference/errors",
		"Usage":    "https://openrouter.ai/docs/use-cases/usage-accounting",
		"OwnCost":  "https://openrouter.ai/docs/use-cases/usage-accounting",
		"StopsFor": cancelPage,
		"Later":    "https://openrouter.ai/docs/api-reference/get-a-generation",
	},
}, {
	Name: "perplexity", Hosts: []string{"api.perplexity.ai"}, Type: TypeOpenAI, Base: "https://api.perplexity.ai", Keys: []string{"PERPLEXITY_API_KEY", "PPLX_API_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject, ErrorDetail}, GoesOn: true, OwnCost: CostTotal, SearchFee: true,
	Usage: []string{"cost", "search_context_size", "citation_tokens", "num_search_queries", "reasoning_tokens"},
	Sources: map[string]string{
		"GoesOn":    cancelPage,
		"Keys":      "https://docs.perplexity.ai/docs/getting-started/quickstart",
		"Cap":       "https://docs.perplexity.ai/api-reference/chat-completions-post",
		"Errors":    "https://docs.perplexity.ai/docs/sdk/error-handling",
		"OwnCost":   "https://docs.perplexity.ai/api-reference/chat-completions-post",
		"SearchFee": "https://docs.perplexity.ai/docs/getting-started/pricing",
		"Usage":     "https://docs.perplexity.ai/api-reference/chat-completions-post",
	},
}, {
	Name: "moonshot", Hosts: []string{"api.moonshot.ai", "api.moonshot.cn"}, Type: TypeOpenAI, Base: "https://api.moonshot.ai/v1", Keys: []string{"MOONSHOT_API_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject}, Usage: []string{"cached_tokens"}, Count: "/v1/tokenizers/estimate-token-count",
	Sources: map[string]string{
		"Keys":   "https://platform.kimi.ai/docs/guide/start-using-kimi-api",
		"Cap":    "https://platform.kimi.ai/docs/api/chat",
		"Errors": "https://platform.kimi.ai/docs/api/errors",
		"Usage":  "https://platform.kimi.ai/docs/api/chat",
		"Count":  "https://platform.kimi.ai/docs/api/estimate",
	},
}, {
	Name: "zai", Hosts: []string{"api.z.ai", "open.bigmodel.cn"}, Type: TypeOpenAI, Base: "https://api.z.ai/api/paas/v4", Keys: []string{"ZAI_API_KEY", "Z_AI_API_KEY", "ZHIPUAI_API_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject},
	Sources: map[string]string{
		"Keys":   "https://docs.z.ai/guides/overview/quick-start",
		"Cap":    "https://docs.z.ai/api-reference/llm/chat-completion",
		"Errors": "https://docs.z.ai/api-reference/api-code",
	},
}, {
	Name: azure, Path: "/openai/v1", Hosts: []string{"openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"}, Type: TypeOpenAI,
	Keys: []string{"AZURE_OPENAI_API_KEY"}, KeyHeader: "api-key",
	Cap: "max_completion_tokens", Errors: []string{ErrorObject}, Stops: true, Standard: "default", Pace: 2000, Later: LaterResponse,
	Charged: []string{"content_filter", "context_length_exceeded"}, // a filtered prompt costs its answer, too
	Sources: map[string]string{
		"Charged":   "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/manage-costs",
		"Path":      azurePage,
		"Keys":      azurePage,
		"KeyHeader": azurePage,
		"Cap":       azurePage,
		"Errors":    azurePage,
		"Stops":     cancelPage,
		"Standard":  "https://learn.microsoft.com/azure/ai-foundry/openai/concepts/priority-processing",
		"Pace":      "https://openai.com/index/introducing-gpt-5-3-codex-spark/",
		"Later":     azurePage,
	},
}, {
	Name: "ollama", Port: "11434", Hosts: []string{"ollama.com"}, Type: TypeOpenAI, Keys: []string{"OLLAMA_API_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject, ErrorText},
	Sources: map[string]string{
		"Keys":   "https://docs.ollama.com/api/authentication",
		"Cap":    "https://docs.ollama.com/api/openai-compatibility",
		"Errors": "https://docs.ollama.com/api/errors",
	},
}, {
	Name: "vllm", Port: "8000", Type: TypeOpenAI, Keys: []string{"VLLM_API_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject, ErrorNamed}, Count: "/tokenize",
	Sources: map[string]string{
		"Keys":   "https://docs.vllm.ai/en/latest/serving/openai_compatible_server/",
		"Cap":    "https://docs.vllm.ai/en/latest/serving/openai_compatible_server/",
		"Errors": "https://docs.vllm.ai/en/latest/serving/openai_compatible_server/",
		"Count":  "https://docs.vllm.ai/en/latest/serving/openai_compatible_server/#tokenizer-api",
	},
}, {
	Name: "lmstudio", Port: "1234", Type: TypeOpenAI, Keys: []string{"LM_API_TOKEN"},
	Cap: "max_tokens", Errors: []string{ErrorObject, ErrorText},
	Sources: map[string]string{
		"Keys":   "https://lmstudio.ai/docs/developer/core/authentication",
		"Cap":    "https://lmstudio.ai/docs/developer/openai-compat/chat-completions",
		"Errors": "https://lmstudio.ai/docs/developer/openai-compat",
	},
}, {
	Name: "litellm", Port: "4000", Type: TypeOpenAI, Keys: []string{"LITELLM_API_KEY", "LITELLM_MASTER_KEY"},
	Cap: "max_tokens", Errors: []string{ErrorObject, ErrorDetail}, Usage: []string{"cache_read_input_tokens", "cache_creation_input_tokens"},
	Sources: map[string]string{
		"Keys":   "https://docs.litellm.ai/docs/proxy/virtual_keys",
		"Cap":    "https://docs.litellm.ai/docs/completion/input",
		"Errors": "https://docs.litellm.ai/docs/exception_mapping",
		"Usage":  "https://github.com/BerriAI/litellm/issues/11364",
	},
}}
