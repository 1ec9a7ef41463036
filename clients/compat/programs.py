"""What make compat installs and drives. Adding a program is adding a row."""

# name, packages, script below frameworks/, variables that lead it without aex
# beyond the common ones. CI marks those that .ci/run drives.
PYTHON = [
    ("openai (Python)", ["openai"], "openai_sdk.py", {}, "CI"),
    ("anthropic (Python)", ["anthropic"], "anthropic_sdk.py", {}, ""),
    ("google-genai (Python)", ["google-genai"], "google_genai.py", {}, ""),
    ("groq (Python)", ["groq"], "groq_sdk.py", {}, ""),
    ("LangGraph", ["langgraph", "langchain-openai", "langchain-anthropic"], "langgraph_agent.py", {}, "CI"),
    ("CrewAI", ["crewai"], "crewai_crew.py", {}, "CI"),
    ("AutoGen", ["autogen-agentchat", "autogen-ext[openai]"], "autogen_agent.py", {}, "CI"),
    ("LangChain", ["langchain", "langchain-openai", "langchain-groq", "langchain-google-genai"], "langchain_agent.py", {"GROQ_API_BASE": None}, ""),
    ("LlamaIndex", ["llama-index-core", "llama-index-llms-openai", "llama-index-llms-google-genai"], "llamaindex_agent.py", {}, ""),
    ("pydantic-ai", ["pydantic-ai-slim[openai,anthropic,google,groq]"], "pydanticai_agent.py", {}, ""),
    ("openai-agents", ["openai-agents"], "openai_agents.py", {}, ""),
    ("smolagents", ["smolagents[litellm,openai]"], "smolagents_agent.py", {}, ""),
    ("DSPy", ["dspy"], "dspy_program.py", {}, ""),
    ("instructor", ["instructor"], "instructor_client.py", {}, ""),
    ("LiteLLM", ["litellm"], "litellm_lib.py", {}, "CI"),
    ("haystack", ["haystack-ai"], "haystack_agent.py", {}, ""),
    ("google-adk", ["google-adk", "litellm"], "adk_agent.py", {}, ""),
    ("mem0", ["mem0ai"], "mem0_memory.py", {}, ""),
    ("agno", ["agno", "openai", "google-genai", "anthropic"], "agno_agent.py", {}, ""),
    ("strands", ["strands-agents[openai,anthropic]"], "strands_agent.py", {}, ""),
]

# Node programs of one folder: name, package whose version counts, command.
NODE = ["ai", "@ai-sdk/openai", "@ai-sdk/anthropic", "@ai-sdk/google", "openai", "@anthropic-ai/sdk", "@google/genai", "groq-sdk"]
SCRIPTS = [
    ("Vercel AI SDK", "ai", "vercel_ai.mjs", {"ANTHROPIC_BASE_URL": "{base}/v1"}, ""),
    ("openai (Node)", "openai", "openai_node.mjs", {}, ""),
    ("anthropic (Node)", "@anthropic-ai/sdk", "anthropic_node.mjs", {}, ""),
    ("google-genai (Node)", "@google/genai", "genai_node.mjs", {}, ""),
    ("groq (Node)", "groq-sdk", "groq_node.mjs", {}, ""),
]

# Agent programs: name, package, tool that runs a command and its argument,
# command line with {prompt}. They are started behind a shell, by name. One that
# is blind loses the output of quick commands, with and without aex: its three
# steps are ordered at once.
AGENTS = [
    ("Claude Code", "@anthropic-ai/claude-code", ("Bash", "command"), ["claude", "-p", "{prompt}", "--model", "claude-haiku-4-5", "--allowedTools", "Bash"], "CI"),
    ("Codex", "@openai/codex", ("exec_command", "cmd"), ["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m", "gpt-5-mini", "{prompt}"], ""),
    ("opencode", "opencode-ai", ("bash", "command"), ["opencode", "run", "-m", "openai/gpt-5-mini", "{prompt}"], ""),
    ("Gemini CLI", "@google/gemini-cli", ("run_shell_command", "command"), ["gemini", "-p", "{prompt}", "-m", "gemini-2.5-flash", "--skip-trust", "--yolo"], ""),
    ("Qwen Code", "@qwen-code/qwen-code", ("run_shell_command", "command", "blind"), ["qwen", "-p", "{prompt}", "-m", "gpt-5-mini", "--yolo"], ""),
    ("pi", "@mariozechner/pi-coding-agent", ("bash", "command"), ["pi", "-p", "--provider", "openai", "--model", "gpt-5-mini", "{prompt}"], ""),
    ("GitHub Copilot CLI", "@github/copilot", ("bash", "command"), ["copilot", "-p", "{prompt}", "--allow-all-tools"], ""),
    ("Cline CLI", "cline", ("run_commands", "commands"), ["cline", "-P", "anthropic", "-m", "claude-haiku-4-5", "{prompt}"], ""),
    ("aider", "aider-chat", None, ["aider", "--yes", "--no-git", "--no-show-model-warnings", "--no-check-update", "--analytics-disable", "--model", "openai/gpt-4o-mini", "--message", "{prompt}"], ""),
]

# What cannot be had or cannot be led, and why; the table says so.
MISSING = [
    ("goose", "no registry has it: its releases are binaries elsewhere. aex sets what it reads (OPENAI_HOST, ANTHROPIC_HOST ...); untried"),
    ("Crush", "its npm package fetches a binary from elsewhere when it is installed, and its Go module could not be fetched. Its adapter follows its documented configuration; untried"),
    ("amp", "asks its own service for every answer, so it cannot be led: aex says so when it starts, which was seen with @ampcode/cli 0.0.1790712063, whose binary for this platform the registry did not have"),
    ("Codex, Claude Code, Gemini CLI, Copilot CLI with a subscription's login", "their calls go to a service that takes no key: aex refuses to start them without one, or says that no call came"),
]
