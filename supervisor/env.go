package supervisor

import (
	"slices"
	"strings"
)

// taken are the variables that a child does not inherit: the providers' keys
// and base URLs, and the switches by which SDKs and agents go past them. A
// name ending in * stands for all that begin so.
var taken = []string{
	"OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_HOST", "OPENAI_ADMIN_KEY", "CODEX_API_KEY", "AZURE_OPENAI_*", "OPENAI_API_TYPE",
	"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL", "ANTHROPIC_BEDROCK_BASE_URL",
	"ANTHROPIC_VERTEX_BASE_URL", "ANTHROPIC_VERTEX_PROJECT_ID", "ANTHROPIC_FOUNDRY_*", "CLAUDE_CODE_OAUTH_TOKEN",
	"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY", "AWS_BEARER_TOKEN_BEDROCK",
	"GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENERATIVE_AI_API_KEY",
	"GROQ_API_KEY", "GROQ_BASE_URL", "MISTRAL_API_KEY", "DEEPSEEK_API_KEY", "XAI_API_KEY", "TOGETHER_API_KEY", "FIREWORKS_API_KEY",
	"CEREBRAS_API_KEY", "OPENROUTER_API_KEY", "COHERE_API_KEY", "CO_API_KEY", "PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY", "AI21_API_KEY",
	"HF_TOKEN", "HUGGINGFACE_API_KEY", "HUGGING_FACE_HUB_TOKEN", "REPLICATE_API_TOKEN", "NVIDIA_API_KEY", "SAMBANOVA_API_KEY",
	"MOONSHOT_API_KEY", "DASHSCOPE_API_KEY", "ZHIPUAI_API_KEY", "VOYAGE_API_KEY", "JINA_API_KEY", "LITELLM_API_KEY", "LITELLM_MASTER_KEY",
	"AEX_AGENT_TOKEN", "AEX_RUN_ID", "AEX_URL",
}

func isTaken(name string, keys []string) bool {
	for _, t := range slices.Concat(taken, keys) {
		if prefix, ok := strings.CutSuffix(t, "*"); name == t || ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// passesKey tells whether one of the names to be passed on is a provider's key
// or base URL: what is spent by it goes unmetered.
func passesKey(names, keys []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return isTaken(name, keys) })
}

// childEnv is the caller's environment less what is taken, plus what leads to
// the gateway at url with the run's token. It lists the names that it removed.
// keys are more variables that hold a key; pass names variables that stay as
// they are.
func childEnv(caller, pass, keys []string, url, token, run string) (env, removed []string) {
	noProxy := map[string]string{"NO_PROXY": "", "no_proxy": ""}
	for _, entry := range caller {
		name, value, _ := strings.Cut(entry, "=")
		_, isNoProxy := noProxy[name]
		switch {
		case isNoProxy:
			noProxy[name] = value
		case slices.Contains(pass, name):
			env = append(env, entry)
		case isTaken(name, keys):
			removed = append(removed, name)
		default:
			env = append(env, entry)
		}
	}
	for _, entry := range []string{
		"OPENAI_BASE_URL=" + url + "/v1", "OPENAI_API_BASE=" + url + "/v1", "OPENAI_API_KEY=" + token,
		"ANTHROPIC_BASE_URL=" + url, "ANTHROPIC_API_KEY=" + token,
		"GOOGLE_GEMINI_BASE_URL=" + url, "GEMINI_API_KEY=" + token,
		"GROQ_BASE_URL=" + url, "GROQ_API_KEY=" + token,
		"AEX_AGENT_TOKEN=" + token, "AEX_RUN_ID=" + run, "AEX_URL=" + url,
	} {
		name, _, _ := strings.Cut(entry, "=")
		if !slices.Contains(pass, name) {
			env = append(env, entry)
		}
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		env = append(env, name+"="+withLoopback(noProxy[name]))
	}
	slices.Sort(removed)
	return env, removed
}

// withLoopback adds loopback to a NO_PROXY list: a caller's proxy is not asked
// for the way to the gateway.
func withLoopback(list string) string {
	for _, host := range []string{"127.0.0.1", "localhost", "::1"} {
		if !slices.Contains(strings.Split(list, ","), host) {
			list += "," + host
		}
	}
	return strings.TrimPrefix(list, ",")
}
