"""Reviewed facts about open models and vendors that only routers list, as in
families.py. The pattern matches the id as OpenRouter has it, vendor first where
there is one, or the bare name. A longest answer of 0 with a window means that
an answer may fill the window, which OpenRouter says of max_tokens
(https://openrouter.ai/docs/api-reference/parameters).
"""

from families import HF, LLAMA, QWEN, QWEN_CLOUD

NVIDIA = "https://build.nvidia.com/models"
MINIMAX = "https://platform.minimax.io/docs/guides/models-intro"
COHERE = "https://docs.cohere.com/docs/models"
AI21 = "https://docs.ai21.com/docs/jamba-foundation-models"
NOVA = "https://docs.aws.amazon.com/nova/latest/userguide/what-is-nova.html"
LIQUID = "https://docs.liquid.ai/lfm/models/complete-library"
HERMES = HF + "NousResearch"
AION = "https://www.aionlabs.ai/"
SEED = "https://docs.byteplus.com/en/docs/ModelArk/1330310"
HUNYUAN = HF + "tencent"
MIMO = "https://platform.xiaomimimo.com/docs"
LING = HF + "inclusionAI"
PHI = HF + "microsoft"
GRANITE = "https://www.ibm.com/granite/docs/models/granite"

VENDOR = r"(?:[a-z0-9-]+/)?"

OPEN_MODELS = [
    # Llama, and what was made of it: none of these generations has a reasoning mode.
    (VENDOR + r"(llama-guard-[23]|llama-3-|llama3-).*", "never", "", 8_192, 8_192, LLAMA),
    (VENDOR + r"llama-guard-4.*", "never", "", 1_024, 163_840, LLAMA),
    (VENDOR + r"llama-2-.*", "never", "", 4_096, 4_096, LLAMA),
    (r"nvidia/llama-3\.3-nemotron-super.*|" + VENDOR + r"llama-3\.[13]-nemotron-(super|ultra).*", "default", "", 0, 131_072, NVIDIA),
    (VENDOR + r"(meta-)?llama-?3\.[123].*", "never", "", 0, 131_072, LLAMA),
    (VENDOR + r"llama-4.*", "never", "", 0, 1_048_576, LLAMA),
    (VENDOR + r"codellama.*", "never", "", 0, 16_384, LLAMA),
    (VENDOR + r"(l3-|llama-3-|l3\.[13]-(?!electra)).*", "never", "", 0, 131_072, LLAMA),
    # Qwen.
    (r".*qwen.*thinking.*|" + VENDOR + r"qwq.*", "always", "", 0, 131_072, QWEN),
    (VENDOR + r"qwen-?2.*", "never", "", 0, 131_072, QWEN),
    (VENDOR + r"qwen3-coder.*", "never", "", 0, 262_144, QWEN),
    (VENDOR + r"qwen3.*(instruct|2507).*", "never", "", 0, 262_144, QWEN),
    (VENDOR + r"qwen3-next.*", "never", "", 0, 262_144, QWEN),
    (VENDOR + r"qwen-?3-\d+b.*", "default", "enabled", 0, 131_072, QWEN),
    (VENDOR + r"qwen3-max", "never", "", 0, 262_144, QWEN_CLOUD),
    (VENDOR + r"qwen-(max|vl-max|vl-plus).*", "never", "", 0, 131_072, QWEN_CLOUD),
    (VENDOR + r"qwen-(plus|turbo).*", "request", "enabled", 0, 1_000_000, QWEN_CLOUD),
    (VENDOR + r"qwen3\.[5-9].*", "default", "enabled", 0, 1_000_000, QWEN_CLOUD),
    # Gemma and PaLM.
    (VENDOR + r"gemma-2-.*|" + VENDOR + r"palm-2.*", "never", "", 8_192, 32_768, HF + "google"),
    (VENDOR + r"gemma-3.*", "never", "", 0, 131_072, HF + "google"),
    (VENDOR + r"gemma-4.*", "default", "enabled", 32_768, 262_144, HF + "google"),
    # DeepSeek's weights.
    (VENDOR + r"deepseek-(r1|prover).*", "always", "", 0, 163_840, HF + "deepseek-ai"),
    (VENDOR + r"deepseek-(chat-v3-0324|v3-0324|v3)", "never", "", 0, 163_840, HF + "deepseek-ai"),
    (VENDOR + r"deepseek-chat-v3\.1|" + VENDOR + r"deepseek-v3\.[12].*", "request", "enabled", 0, 163_840, HF + "deepseek-ai"),
    (VENDOR + r"deepseek-v4.*", "default", "enabled", 393_216, 1_048_576, HF + "deepseek-ai"),
    # GLM, Kimi, MiniMax.
    (VENDOR + r"glm-4-.*", "never", "", 0, 131_072, HF + "zai-org"),
    (VENDOR + r"glm-z1.*", "always", "", 0, 131_072, HF + "zai-org"),
    (VENDOR + r"glm-.*", "default", "enabled", 131_072, 204_800, HF + "zai-org"),
    (VENDOR + r"kimi-k2(-0905|-instruct.*)?", "never", "", 0, 262_144, HF + "moonshotai"),
    (VENDOR + r"kimi-.*", "always", "", 0, 1_048_576, HF + "moonshotai"),
    (VENDOR + r"minimax-(01|m2-her)", "never", "", 0, 1_000_192, MINIMAX),
    (VENDOR + r"minimax-m1.*", "always", "", 0, 1_000_000, MINIMAX),
    (VENDOR + r"minimax-m.*", "always", "", 0, 1_000_000, MINIMAX),
    # Mistral's weights under other names.
    (VENDOR + r"(mixtral|mistral|dolphin-mi[sx]tral).*", "never", "", 0, 131_072, HF + "mistralai"),
    (VENDOR + r"(magistral).*", "always", "", 0, 131_072, HF + "mistralai"),
    # Others, by vendor.
    (r"cohere/command-a-(reasoning|plus).*", "default", "", 0, 256_000, COHERE),
    (r"(cohere/)?command.*", "never", "", 4_096, 256_000, COHERE),
    (r"(ai21/)?jamba.*", "never", "", 4_096, 256_000, AI21),
    (r"amazon/nova-2.*", "request", "", 65_535, 1_000_000, NOVA),
    (r"amazon/nova-premier.*", "never", "", 32_000, 1_000_000, NOVA),
    (r"amazon/nova.*", "never", "", 5_120, 300_000, NOVA),
    (r"(liquid/)?lfm-(3b|7b|40b|2-24b.*)", "never", "", 0, 131_072, LIQUID),
    (r"(nousresearch/)?(hermes-[23]|nous-hermes).*", "never", "", 0, 131_072, HERMES),
    (r"nousresearch/hermes-4.*", "request", "enabled", 0, 131_072, HERMES),
    (r"nvidia/nemotron-(nano|3).*", "default", "enabled", 0, 1_048_576, NVIDIA),
    (r"aion-labs/aion-rp.*", "never", "", 0, 131_072, AION),
    (r"aion-labs/.*", "always", "", 0, 131_072, AION),
    (r"bytedance-seed/.*", "default", "enabled", 0, 262_144, SEED),
    (r"tencent/hunyuan-a13b.*", "default", "enabled", 0, 262_144, HUNYUAN),
    (r"tencent/hy-mt2.*", "never", "", 0, 262_144, HUNYUAN),
    (r"tencent/.*", "default", "enabled", 0, 262_144, HUNYUAN),
    (r"xiaomi/.*", "default", "enabled", 0, 1_048_576, MIMO),
    (r"inclusionai/ring.*", "always", "", 0, 262_144, LING),
    (r"inclusionai/ling-2.*", "never", "", 0, 262_144, LING),
    (r"microsoft/phi-4-reasoning.*|phi-4-reasoning.*", "always", "", 0, 32_768, PHI),
    (r"(microsoft/)?(phi|wizardlm).*", "never", "", 0, 131_072, PHI),
    (r"ibm-granite/granite-4.*", "never", "", 0, 131_072, GRANITE),
    (r"meta/muse-.*", "default", "", 0, 1_048_576, "https://dev.meta.ai/docs"),
    # Fine-tunes of Llama 2 and 3, Mistral, Qwen 2.5 and Solar, all from before reasoning models.
    (r"(sao10k|neversleep|thedrummer|alpindale|anthracite-org|undi95|gryphe|mancer|raifle|eva-unit-01|jondurbin|pygmalionai|"
     r"sophosympatheia|xwin-lm|nothingiisreal|aetherwiing|infermatic|openchat|latitudegames|eleutherai|alfredpros|scb10x)/.*",
     "never", "", 0, 131_072, HF),
    (r"(goliath|magnum|midnight-rose|mn-|mythalion|mythomax|noromaid|toppy|fimbulvetr|sorcererlm|eva-|anubis|l3-|llemma|"
     r"dobby|valkyrie|yi-large|dolphin|openhands-lm).*", "never", "", 0, 131_072, HF),
    (r"01-ai/yi-large|inflection/.*|all-hands/.*|morph/.*|relace/relace-apply.*", "never", "", 0, 131_072, "https://openrouter.ai/models"),
    (r"(arcee-ai/)?(coder-large|virtuoso.*|caller-large|spotlight|arcee-blitz)|arcee-ai/trinity-mini", "never", "", 0, 131_072, "https://docs.arcee.ai/"),
    (r"(arcee-ai/)?(maestro-reasoning|trinity-large-thinking)", "always", "", 0, 131_072, "https://docs.arcee.ai/"),
    (r"allenai/.*think.*|stepfun/.*|prime-intellect/.*", "always", "", 0, 262_144, HF),
    (r"inception/mercury.*|mercury-coder.*", "request", "enabled", 0, 131_072, "https://docs.inceptionlabs.ai/"),
    (r"upstage/solar-(pro|mini).*", "request", "", 0, 131_072, "https://console.upstage.ai/docs/models"),
    (r"rekaai/reka-(flash-3|edge).*", "always", "", 0, 65_536, HF + "RekaAI"),
    (r"thinkingmachines/.*|deepcogito/.*|poolside/.*|nex-agi/.*|kwaipilot/.*|meituan/.*", "default", "enabled", 0, 262_144, "https://openrouter.ai/models"),
]
