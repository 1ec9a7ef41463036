package environ

// A variable is one that programs read to find their provider, or its key.
type variable struct {
	name string
	tail string // what a base URL ends in, beyond the provider's root at the gateway
	from string // who reads it: a library or program with its version, and where it says so
}

// A provider is what programs read to find one of policy's providers.
type provider struct {
	name  string
	root  string     // of its routes at the gateway
	keys  []variable // the first is the one that most programs read
	bases []variable
}

// providers is the table of names. The gateway's address goes into every base
// URL, whether the caller has it or not; the run's token into every key that
// the caller has, and into the first key of the four providers that need no
// path of their own. The first base URL that the caller has set is the provider's
// address upstream.
var providers = []provider{
	{"openai", "", []variable{
		{"OPENAI_API_KEY", "", "openai-python 2.x, openai-node 6.x: the client's constructor"},
		{"CODEX_API_KEY", "", "codex 0.171: codex exec"},
		{"OPENAI_KEY", "", "litellm 1.110: get_optional_params of openai"},
	}, []variable{
		{"OPENAI_BASE_URL", "/v1", "openai-python 2.x, openai-node 6.x, openai-go 3: the client's constructor; litellm 1.110"},
		{"OPENAI_API_BASE", "/v1", "openai-python 0.x; langchain-openai 1.x; litellm 1.110"},
		{"OPENAI_HOST", "", "goose: crates/goose/src/providers/openai.rs, with v1/chat/completions after it"},
		{"OPENAI_API_HOST", "", "editors' plugins such as ChatGPT.nvim, with /v1 after it"},
	}},
	{"anthropic", "", []variable{
		{"ANTHROPIC_API_KEY", "", "anthropic-sdk-python, @anthropic-ai/sdk 1.12: the client's constructor"},
		{"ANTHROPIC_AUTH_TOKEN", "", "the same SDKs and Claude Code 2.1, sent as a bearer's token"},
	}, []variable{
		{"ANTHROPIC_BASE_URL", "", "anthropic-sdk-python, @anthropic-ai/sdk 1.12; @ai-sdk/anthropic and opencode, whose version segment may be missing"},
		{"ANTHROPIC_API_BASE", "", "litellm 1.110: llms/anthropic/common_utils.py"},
		{"ANTHROPIC_API_URL", "", "langchain-anthropic 1.x: ChatAnthropic.anthropic_api_url"},
		{"ANTHROPIC_HOST", "", "goose: crates/goose/src/providers/anthropic.rs"},
	}},
	{"google", "", []variable{
		{"GEMINI_API_KEY", "", "google-genai 2.x: the client's constructor"},
		{"GOOGLE_API_KEY", "", "google-genai 2.x, before GEMINI_API_KEY; agno, mem0, llama-index and browser-use read no other"},
		{"GOOGLE_GENERATIVE_AI_API_KEY", "", "@ai-sdk/google 3.x: createGoogleGenerativeAI"},
		{"GOOGLE_GENAI_API_KEY", "", "@google/genai 2.x and adk: the client's constructor"},
		{"PALM_API_KEY", "", "litellm 1.110: the gemini provider"},
	}, []variable{
		{"GOOGLE_GEMINI_BASE_URL", "", "google-genai 2.x, @google/genai 2.x: _base_url.py"},
		{"GEMINI_API_BASE", "/v1beta", "litellm 1.110: main.py, with /models/M:generateContent after it"},
		{"GOOGLE_HOST", "", "goose: crates/goose/src/providers/google.rs"},
	}},
	{"groq", "", []variable{
		{"GROQ_API_KEY", "", "groq-python 1.x, groq-sdk: the client's constructor"},
	}, []variable{
		{"GROQ_BASE_URL", "", "groq-python 1.x, groq-sdk, with /openai/v1 after it"},
		{"GROQ_API_BASE", "/openai/v1", "litellm 1.110: llms/groq/chat/transformation.py; langchain-groq 1.x, which adds /openai/v1 once more"},
		{"GROQ_HOST", "/openai/v1", "goose: crates/goose/src/providers/declarative/groq.json"},
	}},
	{"mistral", "/p/mistral", []variable{
		{"MISTRAL_API_KEY", "", "mistralai 2.x; langchain-mistralai; litellm 1.110"},
	}, []variable{
		{"MISTRAL_API_BASE", "/v1", "litellm 1.110: llms/mistral/chat/transformation.py"},
		{"MISTRAL_BASE_URL", "/v1", "langchain-mistralai 1.x: ChatMistralAI.endpoint"},
	}},
	{"deepseek", "/p/deepseek", []variable{
		{"DEEPSEEK_API_KEY", "", "langchain-deepseek, litellm 1.110, pydantic-ai"},
	}, []variable{
		{"DEEPSEEK_API_BASE", "/v1", "langchain-deepseek 1.x: ChatDeepSeek.api_base; litellm 1.110; mem0"},
		{"DEEPSEEK_BASE_URL", "/v1", "crewai 1.x: the native provider's table"},
	}},
	{"xai", "/p/xai", []variable{
		{"XAI_API_KEY", "", "@ai-sdk/xai, langchain-xai, litellm 1.110, pydantic-ai"},
	}, []variable{
		{"XAI_API_BASE", "/v1", "litellm 1.110: llms/xai/chat/transformation.py; mem0"},
		{"XAI_HOST", "/v1", "goose: crates/goose/src/providers/xai.rs"},
	}},
	{"together", "/p/together", []variable{
		{"TOGETHER_API_KEY", "", "together-python 2.x; pydantic-ai; langchain-together"},
		{"TOGETHERAI_API_KEY", "", "litellm 1.110: litellm_core_utils/get_llm_provider_logic.py"},
		{"TOGETHER_AI_API_KEY", "", "litellm 1.110: the same; @ai-sdk/togetherai"},
		{"TOGETHER_AI_TOKEN", "", "litellm 1.110: the same"},
	}, []variable{
		{"TOGETHER_AI_API_BASE", "/v1", "litellm 1.110: litellm_core_utils/get_llm_provider_logic.py"},
		{"TOGETHER_BASE_URL", "/v1", "together-python 2.x: the client's constructor"},
		{"TOGETHER_API_BASE", "/v1", "langchain-together 0.3: ChatTogether.together_api_base"},
	}},
	{"fireworks", "/p/fireworks", []variable{
		{"FIREWORKS_API_KEY", "", "fireworks-ai; @ai-sdk/fireworks; pydantic-ai; litellm 1.110"},
		{"FIREWORKS_AI_API_KEY", "", "litellm 1.110: llms/fireworks_ai"},
		{"FIREWORKSAI_API_KEY", "", "litellm 1.110: llms/fireworks_ai"},
		{"FIREWORKS_AI_TOKEN", "", "litellm 1.110: llms/fireworks_ai"},
	}, []variable{
		{"FIREWORKS_API_BASE", "/v1", "litellm 1.110: llms/fireworks_ai/chat/transformation.py; langchain-fireworks"},
		{"FIREWORKS_BASE_URL", "/v1", "fireworks-ai 1.x: the client's constructor"},
	}},
	{"cerebras", "/p/cerebras", []variable{
		{"CEREBRAS_API_KEY", "", "cerebras-cloud-sdk; @ai-sdk/cerebras; litellm 1.110; pydantic-ai"},
	}, []variable{
		{"CEREBRAS_API_BASE", "/v1", "litellm 1.110: llms/cerebras/chat.py"},
		{"CEREBRAS_BASE_URL", "/v1", "cerebras-cloud-sdk 1.x: the client's constructor; crewai 1.x"},
	}},
	{"openrouter", "/p/openrouter", []variable{
		{"OPENROUTER_API_KEY", "", "@openrouter/ai-sdk-provider; langchain-openrouter; litellm 1.110; pydantic-ai; mem0"},
		{"OR_API_KEY", "", "litellm 1.110: llms/openrouter"},
	}, []variable{
		{"OPENROUTER_API_BASE", "/v1", "litellm 1.110: llms/openrouter; mem0; langchain-openrouter"},
		{"OPENROUTER_BASE_URL", "/v1", "crewai 1.x: the native provider's table"},
		{"OPENROUTER_HOST", "", "goose: crates/goose/src/providers/openrouter.rs, with api/v1/chat/completions after it"},
	}},
}

// others are taken too: keys of providers that the gateway has no route for,
// and the switches by which SDKs and agents go past their base URL. A name
// that ends in * stands for all that begin so.
var others = []string{
	"OPENAI_ADMIN_KEY", "OPENAI_API_TYPE", "OPENAI_WEBSOCKET_BASE_URL", "AZURE_OPENAI_*", "AZURE_API_KEY", "AZURE_API_BASE", "AZURE_AI_*",
	"ANTHROPIC_BEDROCK_BASE_URL", "ANTHROPIC_BEDROCK_MANTLE_BASE_URL", "ANTHROPIC_VERTEX_BASE_URL", "ANTHROPIC_VERTEX_PROJECT_ID",
	"ANTHROPIC_FOUNDRY_*", "ANTHROPIC_AWS_*", "ANTHROPIC_GOOGLE_CLOUD_*", "ANTHROPIC_IDENTITY_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
	"CLAUDE_CODE_USE_*", "AWS_BEARER_TOKEN_BEDROCK", "DEEPSEEK_ANTHROPIC_API_BASE",
	"GOOGLE_VERTEX_BASE_URL", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA", "GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_ACCESS_TOKEN",
	"COHERE_API_KEY", "CO_API_KEY", "PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY", "AI21_API_KEY", "CODESTRAL_API_KEY",
	"HF_TOKEN", "HUGGINGFACE_API_KEY", "HUGGING_FACE_HUB_TOKEN", "REPLICATE_API_TOKEN", "REPLICATE_API_KEY", "NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY",
	"SAMBANOVA_API_KEY", "MOONSHOT_API_KEY", "DASHSCOPE_API_KEY", "ZHIPUAI_API_KEY", "ZAI_API_KEY", "ZHIPU_API_KEY", "MINIMAX_API_KEY",
	"VOYAGE_API_KEY", "JINA_API_KEY", "LITELLM_API_KEY", "LITELLM_MASTER_KEY", "LITELLM_PROXY_API_KEY", "LITELLM_PROXY_API_BASE",
	"AI_GATEWAY_API_KEY", "VERCEL_AI_GATEWAY_API_KEY", "DATABRICKS_API_KEY", "WATSONX_API_KEY", "DEEPINFRA_API_KEY", "NEBIUS_API_KEY",
	"NOVITA_API_KEY", "HYPERBOLIC_API_KEY", "BASETEN_API_KEY", "ANYSCALE_API_KEY", "ARK_API_KEY", "AIML_API_KEY", "VENICE_API_KEY",
	"AEX_AGENT_TOKEN", "AEX_RUN_ID", "AEX_URL", "AEX_TOKEN", "AEX_GATEWAY", "AEX_OIDC_TOKEN",
}

// quiet are settings that keep a library from sending what it knows, with the
// run's token, to a fixed address of its provider.
var quiet = [][2]string{
	{"OPENAI_AGENTS_DISABLE_TRACING", "1"}, // openai-agents 0.x posts traces to api.openai.com/v1/traces/ingest
}
