"""Reviewed facts about families of models, each with the page that states it.

A line is (pattern, reasoning, off, longest answer, window, source). The pattern
has to match a model's whole id, in lower case; the first that matches counts.
A longest answer or window of 0 leaves what the lists say.

Reasoning is one of
  never    it makes no output that it does not show
  request  only where the request asks for it
  default  unless the request turns it off
  always   it cannot be turned off
and "off" says by which field a request turns it off, where it can:
  effort   reasoning_effort or reasoning.effort "none"
  thinking thinking.type "disabled"
  budget   thinkingConfig.thinkingBudget 0
  enabled  reasoning.enabled false, enable_thinking false
What no line states stays unknown, which is not "never".
"""

OPENAI = "https://developers.openai.com/api/docs/models"
CLAUDE = "https://platform.claude.com/docs/en/about-claude/models/overview"
THINKING = "https://platform.claude.com/docs/en/build-with-claude/extended-thinking"
GEMINI = "https://ai.google.dev/gemini-api/docs/thinking"
GEMINI_MODELS = "https://ai.google.dev/gemini-api/docs/models"
GEMMA = "https://ai.google.dev/gemma/docs/core"
GROQ = "https://console.groq.com/docs/models"
GROQ_REASONING = "https://console.groq.com/docs/reasoning"
MISTRAL = "https://docs.mistral.ai/getting-started/models"
DEEPSEEK = "https://api-docs.deepseek.com/quick_start/pricing"
DEEPSEEK_THINKING = "https://api-docs.deepseek.com/guides/thinking_mode"
XAI = "https://docs.x.ai/docs/models"
ZAI = "https://docs.z.ai/guides/capabilities/thinking-mode"
KIMI = "https://platform.kimi.ai/docs/models.md"
SONAR = "https://docs.perplexity.ai/docs/getting-started/models"
LLAMA = "https://www.llama.com/docs/model-cards-and-prompt-formats"
QWEN = "https://qwen.readthedocs.io/en/latest/getting_started/quickstart.html"
QWEN_CLOUD = "https://www.alibabacloud.com/help/en/model-studio/models"
HF = "https://huggingface.co/"

# By provider as in the catalogue.
FAMILIES = {
    "openai": [
        (r"(text-)?(ada|babbage|curie|davinci)(-00\d)?", "never", "", 2_049, 2_049, OPENAI),
        (r"(babbage|davinci)-002", "never", "", 16_384, 16_384, OPENAI),
        (r"text-davinci-00\d", "never", "", 4_097, 4_097, OPENAI),
        (r"text-embedding.*", "never", "", 0, 8_192, OPENAI),
        (r"gpt-3\.5-turbo-instruct.*", "never", "", 4_096, 4_096, OPENAI),
        (r"gpt-3\.5-0301|gpt-3\.5-turbo-0(301|613)", "never", "", 4_096, 4_097, OPENAI),
        (r"gpt-3\.5-turbo.*", "never", "", 4_096, 16_385, OPENAI),
        (r"gpt-4-32k.*", "never", "", 32_768, 32_768, OPENAI),
        (r"gpt-4-turbo.*|gpt-4-(1106|0125|vision).*", "never", "", 4_096, 128_000, OPENAI),
        (r"gpt-4\.1.*", "never", "", 32_768, 1_047_576, OPENAI),
        (r"gpt-4\.5.*", "never", "", 16_384, 128_000, OPENAI),
        (r"gpt-4o-2024-05-13", "never", "", 4_096, 128_000, OPENAI),
        (r"gpt-4o:extended", "never", "", 64_000, 128_000, OPENAI),
        (r"gpt-4o-(mini-)?(transcribe|tts).*", "never", "", 2_000, 16_000, OPENAI),
        (r"gpt-4o-(mini-)?realtime.*|gpt-realtime(-mini.*|-1\.5)?", "never", "", 4_096, 32_000, OPENAI),
        (r"(chatgpt-)?gpt-4o.*|chatgpt-4o.*", "never", "", 16_384, 128_000, OPENAI),
        (r"gpt-4", "never", "", 8_192, 8_192, OPENAI),
        (r"gpt-audio.*", "never", "", 16_384, 128_000, OPENAI),
        (r"gpt-5(\.\d)?-image.*", "always", "", 128_000, 400_000, OPENAI),
        (r"gpt-realtime-2.*", "always", "", 32_000, 128_000, OPENAI),
        (r"gpt-5-search-api.*", "always", "", 128_000, 400_000, OPENAI),
        (r"gpt-5(\.\d)?-chat.*|gpt-chat-latest", "always", "", 16_384, 128_000, OPENAI),
        (r"gpt-5-pro.*", "always", "", 272_000, 400_000, OPENAI),
        (r"gpt-[5-9].*-pro", "always", "", 128_000, 400_000, OPENAI),
        (r"gpt-5\.[1245]-codex.*", "always", "", 128_000, 400_000, OPENAI),
        (r"gpt-oss.*", "always", "", 65_536, 131_072, HF + "openai/gpt-oss-120b"),
        (r"o1-mini.*", "always", "", 65_536, 128_000, OPENAI),
        (r"o1-preview.*", "always", "", 32_768, 128_000, OPENAI),
        (r"(o1|o3|o4).*", "always", "", 100_000, 200_000, OPENAI),
        (r"codex-mini.*", "always", "", 100_000, 200_000, OPENAI),
        (r"computer-use.*", "always", "", 1_024, 8_192, OPENAI),
        (r"gpt-5(-mini|-nano|-codex)?", "always", "", 128_000, 400_000, OPENAI),
        (r"gpt-5\.1|gpt-5\.2|gpt-5\.4(-mini|-nano)?", "request", "effort", 128_000, 400_000, OPENAI),
        (r"gpt-5\.3(-codex)?", "default", "effort", 128_000, 400_000, OPENAI),
        (r"gpt-5\.5-cyber.*|gpt-[56].*-cyber|gpt-.*rosalind.*", "always", "", 128_000, 400_000, OPENAI),
    ],
    "anthropic": [
        (r"claude-(2|instant|v1).*", "never", "", 4_096, 200_000, CLAUDE),
        (r"claude-3-(opus|sonnet|haiku).*", "never", "", 4_096, 200_000, CLAUDE),
        (r"claude-3-5.*", "never", "", 8_192, 200_000, CLAUDE),
        (r"claude-3-7.*", "request", "thinking", 128_000, 200_000, THINKING),
        (r"claude-(4-opus|opus-4(-[01])?)(-\d{8})?", "request", "thinking", 32_000, 200_000, THINKING),
        (r"claude-(4-sonnet|sonnet-4(-[05])?)(-\d{8})?", "request", "thinking", 64_000, 1_000_000, THINKING),
        (r"claude-(opus-4-5|haiku-4-5).*", "request", "thinking", 64_000, 200_000, THINKING),
        (r"claude-(opus|sonnet)-4-[678].*", "request", "thinking", 128_000, 1_000_000, THINKING),
        (r"claude-(opus|sonnet)-5", "default", "thinking", 128_000, 1_000_000, THINKING),
        (r"claude-haiku-5-5", "default", "thinking", 128_000, 1_000_000, THINKING),
        (r"claude-(fable|mythos|opus-5-5|sonnet-5-5).*", "always", "", 128_000, 1_000_000, THINKING),
    ],
    "google": [
        (r"gemini-.*embedding.*|text-embedding.*", "never", "", 0, 8_192, GEMINI_MODELS),
        (r"gemini-(1\.0-)?pro(-vision.*)?", "never", "", 8_192, 32_768, GEMINI_MODELS),
        (r"gemini-(1\.5.*|flash-1\.5.*|pro-1\.5.*)", "never", "", 8_192, 2_097_152, GEMINI_MODELS),
        (r"gemini-2\.0-flash(-lite)?(-\d+|-exp)?", "never", "", 8_192, 1_048_576, GEMINI_MODELS),
        (r"gemini-2\.5-flash-image.*", "never", "", 32_768, 65_536, GEMINI_MODELS),
        (r"gemini-.*tts.*", "never", "", 16_384, 32_768, GEMINI_MODELS),
        (r"gemini-2\.5-computer-use.*", "always", "", 65_536, 131_072, GEMINI_MODELS),
        (r"gemini-2\.5-pro.*", "always", "", 65_536, 1_048_576, GEMINI),
        (r"gemini-2\.5-flash-lite.*", "request", "budget effort", 65_536, 1_048_576, GEMINI),
        (r"gemini-2\.5-flash.*", "default", "budget effort", 65_536, 1_048_576, GEMINI),
        (r"gemini-(live|nano|omni|robotics|3\.\d-live|3\.1-flash-live).*", "always", "", 65_536, 1_048_576, GEMINI_MODELS),
        (r"gemini-4.*", "always", "", 1_048_576, 0, GEMINI_MODELS),
        (r"gemini-[3-9].*", "always", "", 65_536, 1_048_576, GEMINI),
        (r"(gemini-)?gemma-2-.*", "never", "", 8_192, 8_192, GEMMA),
        (r"gemma-3.*", "never", "", 8_192, 131_072, GEMMA),
        (r"learnlm.*", "never", "", 8_192, 0, GEMINI_MODELS),
        (r"deep-research.*|gemini-2\.5-computer-use.*", "always", "", 0, 0, GEMINI_MODELS),
        (r"gemma-4.*", "default", "", 32_768, 262_144, GEMMA),
    ],
    "groq": [
        (r"deepseek-r1-.*", "always", "", 131_072, 131_072, GROQ_REASONING),
        (r"(openai/)?gpt-oss-.*", "always", "", 65_536, 131_072, GROQ_REASONING),
        (r"qwen/qwen3.*", "default", "effort", 40_960, 131_072, GROQ_REASONING),
        (r"gemma.*", "never", "", 8_192, 8_192, GROQ),
        (r"llama-3\.1-8b-instant", "never", "", 131_072, 131_072, GROQ),
        (r"llama-3\.1-(405b|70b)(?!-reasoning).*", "never", "", 32_768, 131_072, GROQ),
        (r"llama-3\.3-70b-versatile", "never", "", 32_768, 131_072, GROQ),
        (r"llama-3\.3-70b-specdec", "never", "", 8_192, 8_192, GROQ),
        (r"llama-3\.2-.*", "never", "", 8_192, 131_072, GROQ),
        (r"llama-guard-3.*|llama3-.*", "never", "", 8_192, 8_192, GROQ),
        (r"llama2-70b-4096", "never", "", 4_096, 4_096, GROQ),
        (r"meta-llama/llama-guard-4.*", "never", "", 1_024, 131_072, GROQ),
        (r"meta-llama/llama-prompt-guard.*", "never", "", 512, 512, GROQ),
        (r"meta-llama/llama-4-.*", "never", "", 8_192, 131_072, GROQ),
        (r"mistral-saba-24b|mixtral-8x7b-32768", "never", "", 32_768, 32_768, GROQ),
        (r"moonshotai/kimi-k2-instruct.*", "never", "", 16_384, 262_144, GROQ),
    ],
    "mistral": [
        (r"(codestral|mistral)-embed.*", "never", "", 0, 8_192, MISTRAL),
        (r"magistral.*", "always", "", 40_960, 131_072, MISTRAL),
        (r"codestral-(mamba).*", "never", "", 262_144, 262_144, MISTRAL),
        (r"codestral.*|mistral-code-(fim-)?latest", "never", "", 262_144, 262_144, MISTRAL),
        (r"devstral-2512", "never", "", 262_144, 262_144, MISTRAL),
        (r"ministral(?!.*reasoning).*", "never", "", 262_144, 262_144, MISTRAL),
        (r"mistral-large(-(2\d\d\d|3|latest))?", "never", "", 262_144, 262_144, MISTRAL),
        (r"mistral-medium-(2312|3|3-1|3\.1)|mistral-medium", "never", "", 131_072, 131_072, MISTRAL),
        (r"mistral-(nemo|saba|tiny|7b.*)|mistral-small-24b.*", "never", "", 131_072, 131_072, MISTRAL),
        (r"mistral-small-3\.[12].*|mistral-small", "never", "", 131_072, 131_072, MISTRAL),
        (r"mixtral.*|open-mi[sx]tral.*", "never", "", 65_536, 65_536, MISTRAL),
        (r"pixtral.*|voxtral.*", "never", "", 131_072, 131_072, MISTRAL),
    ],
    "deepseek": [
        (r"deepseek-coder", "never", "", 4_096, 131_072, DEEPSEEK),
        (r"deepseek-(chat|v3)", "request", "thinking", 8_192, 131_072, DEEPSEEK),
        (r"deepseek-reasoner", "always", "", 65_536, 131_072, DEEPSEEK),
        (r"deepseek-v3\.[12].*", "default", "thinking", 65_536, 163_840, DEEPSEEK),
        (r"deepseek-(flash|v4.*)", "default", "thinking", 393_216, 1_048_576, DEEPSEEK_THINKING),
    ],
    "xai": [
        (r"grok-.*non-reasoning.*", "never", "", 0, 0, XAI),
        (r"grok-(beta|vision-beta)", "never", "", 131_072, 131_072, XAI),
        (r"grok-2.*", "never", "", 131_072, 131_072, XAI),
        (r"grok-3-mini.*", "always", "", 131_072, 131_072, XAI),
        (r"grok-3.*", "never", "", 131_072, 131_072, XAI),
        (r"grok-(4|build|code).*", "always", "", 0, 0, XAI),
    ],
    "cerebras": [
        (r"llama.*", "never", "", 0, 0, "https://inference-docs.cerebras.ai/models/overview"),
        (r"qwen-3-32b|zai-glm.*|gemma.*|qwen-3\.8.*", "default", "", 0, 0, "https://inference-docs.cerebras.ai/models/overview"),
        (r"gpt-oss.*", "always", "", 0, 0, "https://inference-docs.cerebras.ai/models/overview"),
    ],
    "perplexity": [
        (r"pplx-embed.*|pplx-decider.*", "never", "", 0, 0, SONAR),
        (r"sonar-(reasoning|deep-research).*|r1-1776", "always", "", 128_000, 128_000, SONAR),
        (r"sonar-pro.*", "never", "", 8_000, 200_000, SONAR),
        (r"sonar", "never", "", 128_000, 128_000, SONAR),
        (r"llama-3\.1-sonar.*", "never", "", 127_072, 127_072, SONAR),
    ],
    "moonshot": [
        (r"moonshot-v1.*", "never", "", 0, 0, KIMI),
        (r"kimi-k2-thinking.*", "always", "", 262_144, 262_144, KIMI),
        (r"kimi-k2(-0711.*|-0905.*|-turbo.*)?", "never", "", 262_144, 262_144, KIMI),
        (r"kimi-k2\.\d.*", "default", "thinking", 262_144, 262_144, KIMI),
        (r"kimi-k[3-9].*", "always", "", 1_048_576, 1_048_576, KIMI),
    ],
    "zai": [
        (r"glm-4-32b.*|glm-ocr", "never", "", 16_384, 131_072, ZAI),
        (r"glm-4\.5v.*|glm-4\.6v.*", "default", "thinking", 32_768, 131_072, ZAI),
        (r"glm-4\.5.*", "default", "thinking", 98_304, 131_072, ZAI),
        (r"glm-4\.[67].*|glm-5.*", "default", "thinking", 131_072, 204_800, ZAI),
        (r"glm-z1.*", "always", "", 32_768, 131_072, ZAI),
    ],
}
FAMILIES["openrouter-perplexity"] = FAMILIES["perplexity"]
