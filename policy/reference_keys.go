package policy

// FileKeys are the keys of aex.yaml, in the order in which its page and its
// example tell of them. Whoever adds a key to the parser adds it here.
func FileKeys() []Key {
	return []Key{
		{Path: "version", Takes: TakesNumber, Example: "1", Needed: true, Text: "the form of this file, always 1"},
		{Path: "agent", Takes: TakesText, Example: "atlas", Text: "whose money a run spends; --agent goes before it"},
		{Path: "group", Takes: TakesText, Example: "acme/search", Text: "the group of agents whose money it is, too: a new agent is made in it, another must be in it or in a group inside it"},
		{Path: "budget", Takes: TakesUSD, Example: `"0.50"`, Text: "the most that one run may spend; a budget by the day, week or month is the agent's: aex agent set NAME --window daily"},
		{Path: "models", Takes: TakesKeys, Text: "which models may be called"},
		{Path: "models.allow", Takes: TakesNames, Example: `["gpt-4o*", claude-haiku-4-5]`, Text: "these, and no others"},
		{Path: "models.deny", Takes: TakesNames, Example: `["*-pro"]`, Text: "not these, whatever is allowed"},
		{Path: "tools", Takes: TakesKeys, Text: "which tools a request may offer to the model"},
		{Path: "tools.allow", Takes: TakesNames, Example: "[read_file, search]", Text: "these, and no others"},
		{Path: "tools.deny", Takes: TakesNames, Example: "[shell]", Text: "not these, whatever is allowed"},
		{Path: "limits", Takes: TakesKeys, Text: "how large a call may be, and how fast calls may follow one another"},
		{Path: "limits.max_input_tokens", Takes: TakesNumber, Example: "100000", Text: "tokens of a request"},
		{Path: "limits.max_output_tokens", Takes: TakesNumber, Example: "8000", Text: "tokens of an answer"},
		{Path: "limits.max_tokens_per_request", Takes: TakesNumber, Example: "108000", Text: "tokens of both together"},
		{Path: "limits.requests_per_minute", Takes: TakesNumber, Example: "60", Text: "calls in any sixty seconds"},
		{Path: "limits.tokens_per_minute", Takes: TakesNumber, Example: "200000", Text: "tokens in any sixty seconds"},
		{Path: "limits.concurrency", Takes: TakesNumber, Example: "4", Text: "calls at the same time"},
		{Path: "capabilities", Takes: TakesKeys, Text: "what a request may ask for; what is not said is allowed, but for strict"},
		{Path: "capabilities.streaming", Takes: TakesSwitch, Example: "true", Text: "answers as they are made"},
		{Path: "capabilities.tools", Takes: TakesSwitch, Example: "true", Text: "tools"},
		{Path: "capabilities.function_calling", Takes: TakesSwitch, Example: "true", Text: "function calls, asked for or answered"},
		{Path: "capabilities.vision", Takes: TakesSwitch, Example: "false", Text: "images, audio and files"},
		{Path: "capabilities.strict", Takes: TakesSwitch, Example: "false", Text: "refuse whatever cannot be verified: unknown fields, the provider's own tools, assumed prices"},
		{Path: "capabilities.hosted_tools", Takes: TakesWord, Words: []string{"auto", "refuse", "allow"}, Example: "auto", Text: "the provider's own tools: bounded so that they fit, refused, or allowed without a bound"},
		{Path: "max_calls", Takes: TakesNumber, Example: "200", Text: "end the run after this many calls"},
		{Path: "timeout", Takes: TakesDuration, Example: "30m", Text: "end the run after this long"},
		{Path: "idle_timeout", Takes: TakesDuration, Example: "5m", Text: "end the run after this long without a call"},
		{Path: "on_exhausted", Takes: TakesWord, Words: []string{"kill", "refuse", "ask"}, Example: "kill", Text: "what becomes of a run whose budget is gone"},
		{Path: "sandbox", Takes: TakesWord, Words: []string{"auto", "require", "off"}, Example: "auto", Text: "what keeps the program in"},
		{Path: "allow_hosts", Takes: TakesNames, Example: `[github.com, "*.pypi.org"]`, Text: "hosts that a program in a sandbox may reach beside its models"},
		{Path: "allow_local", Takes: TakesNames, Example: `["5432"]`, Text: "ports of this machine's loopback that it sees"},
		{Path: "allow_sockets", Takes: TakesNames, Example: "[/run/postgresql]", Text: "unix sockets, or directories of them, that are left to it"},
		{Path: "hide", Takes: TakesNames, Example: "[secrets]", Text: "files and directories that it does not see"},
		{Path: "timezone", Takes: TakesText, Example: "Europe/Berlin", Text: "whose days budgets by the day, week or month and reports have: one setting of the ledger, made by the first file or aex ledger timezone that says it; UTC without it"},
		{Path: "locked", Takes: TakesSwitch, Example: "false", Text: "flags and AEX_ variables may only tighten what this file says"},
		{Path: "ci", Takes: TakesKeys, Text: "where CI is true"},
		{Path: "ci.allow_unknown_agents", Takes: TakesSwitch, Example: "false", Text: "whether a run may make an agent that does not exist"},
		{Path: "env", Takes: TakesFree, Example: `{REGION: eu}`, Named: true, Text: "variables for the program"},
		{Path: "env_file", Takes: TakesText, Example: "keys.env", Named: true, Text: "a file of keys and base URLs, relative to this one"},
		{Path: "gateway", Takes: TakesNames, Example: `["https://gate.example.com"]`, Named: true, Text: "shared gateways that a run is booked at; AEX_TOKEN is an agent's token there"},
		{Path: "models_file", Takes: TakesText, Example: "models.yaml", Named: true, Text: "the models.yaml to use, relative to this file"},
	}
}

// ModelsKeys are the keys of models.yaml, likewise.
func ModelsKeys() []Key {
	var names []string
	for _, b := range builtins {
		names = append(names, b.Name)
	}
	price := func(name, text, example string) Key {
		return Key{Path: "models.NAME.pricing." + name, Takes: TakesUSD, Example: `"` + example + `"`, Text: text}
	}
	return []Key{
		{Path: "version", Takes: TakesNumber, Example: "1", Needed: true, Text: "the form of this file, always 1"},
		{Path: "default_model", Takes: TakesText, Example: "small", Text: "the model of requests that name none; it stands under models"},
		{Path: "providers", Takes: TakesKeys, Text: "providers beside the built-in ones, or built-in ones that are to be different"},
		{Path: "providers.NAME", Takes: TakesKeys, Text: "a provider's name, of your choice"},
		{Path: "providers.NAME.base_url", Takes: TakesText, Example: "https://llm.corp.example/v1", Text: "where it is; needed unless the name is built in"},
		{Path: "providers.NAME.type", Takes: TakesWord, Words: []string{TypeOpenAI, TypeAnthropic, TypeGemini}, Example: TypeOpenAI, Text: "the API that it speaks"},
		{Path: "providers.NAME.key_env", Takes: TakesText, Example: "CORP_LLM_KEY", Text: "the variable that its key is in; NAME_API_KEY without it"},
		{Path: "providers.NAME.keyless", Takes: TakesSwitch, Example: "false", Text: "no key is sent"},
		{Path: "providers.NAME.headers", Takes: TakesFree, Example: "{X-Team: research}", Text: "headers for each of its requests"},
		{Path: "providers.NAME.proxy", Takes: TakesText, Example: "http://proxy.corp.example:3128", Text: "an http, https or socks5 proxy on the way to it; the environment's without it"},
		{Path: "providers.NAME.ca_file", Takes: TakesText, Example: "/etc/ssl/corp.pem", Text: "certificates to trust for it, PEM"},
		{Path: "providers.NAME.prices_as", Takes: TakesWord, Words: names, Example: openAI, Text: "the built-in provider whose prices hold there"},
		{Path: "providers.NAME.stream_usage", Takes: TakesSwitch, Example: "true", Text: "false: it rejects stream_options.include_usage, so usage is not asked for"},
		{Path: "models", Takes: TakesKeys, Text: "models by names of your choice; others keep the catalogue's prices"},
		{Path: "models.NAME", Takes: TakesKeys, Text: "the name that clients use"},
		{Path: "models.NAME.provider", Takes: TakesText, Example: "corp", Needed: true, Text: "a provider that stands above or is built in"},
		{Path: "models.NAME.provider_model", Takes: TakesText, Example: "house-7", Text: "the name that is sent; the same without it"},
		{Path: "models.NAME.min_output_tokens", Takes: TakesNumber, Example: "1024", Text: "the smallest answer that is worth a call when money runs out"},
		{Path: "models.NAME.limits", Takes: TakesKeys, Text: "how much it takes and gives"},
		{Path: "models.NAME.limits.max_tokens", Takes: TakesNumber, Example: "8192", Text: "its longest answer, which stands for a cap that a client leaves out"},
		{Path: "models.NAME.limits.context", Takes: TakesNumber, Example: "128000", Text: "its context window"},
		{Path: "models.NAME.capabilities", Takes: TakesKeys, Text: "what it can do; what is not said is allowed"},
		{Path: "models.NAME.capabilities.tools", Takes: TakesSwitch, Example: "true", Text: "tools"},
		{Path: "models.NAME.capabilities.vision", Takes: TakesSwitch, Example: "false", Text: "images, audio and files"},
		{Path: "models.NAME.capabilities.reasoning", Takes: TakesSwitch, Example: "true", Text: "reasoning"},
		{Path: "models.NAME.pricing", Takes: TakesKeys, Text: "its price; the catalogue's without it"},
		{Path: "models.NAME.pricing.input_usd_per_mtok", Takes: TakesUSD, Example: `"0.15"`, Text: "a million input tokens; needed, unless input_micro of v1.2 is given"},
		price("output_usd_per_mtok", "a million output tokens", "0.60"),
		price("cache_read_usd_per_mtok", "a million input tokens read from a cache; as input without it", "0.075"),
		price("cache_write_5m_usd_per_mtok", "a million written to one for five minutes; 1.25 times input without it", "0.1875"),
		price("cache_write_1h_usd_per_mtok", "a million written to one for an hour; twice input without it", "0.30"),
		price("audio_in_usd_per_mtok", "a million audio tokens in", "10.00"),
		price("audio_out_usd_per_mtok", "a million audio tokens out", "20.00"),
		price("per_request_usd", "each request, beside its tokens", "0.001"),
		price("per_search_usd", "each web search of the provider's", "0.01"),
		price("input_micro", "v1.2's name of input_usd_per_mtok; one of the two", "0.15"),
		price("output_micro", "v1.2's name of output_usd_per_mtok; one of the two", "0.60"),
		{Path: "routes", Takes: TakesKeys, Text: "routes that aex does not meter, opened"},
		{Path: "routes.NAME", Takes: TakesWord, Words: []string{"free"}, Text: "method and path, which may end in /*: the word free, or these keys"},
		{Path: "routes.NAME.usd_per_call", Takes: TakesUSD, Example: `"0.04"`, Text: "what each call costs"},
		{Path: "routes.NAME.provider", Takes: TakesText, Example: openAI, Text: "where it goes; openai without it"},
	}
}
