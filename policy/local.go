package policy

import (
	"fmt"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

// What Sources.LocalPrices may be: whether calls of an upstream on this machine
// that needs no key cost what the catalogue says.
const (
	LocalAuto = "auto" // those of models that only a vendor hosts do: the upstream may be a router with keys of its own
	LocalOn   = "on"   // all do
	LocalOff  = "off"  // none does
)

// placeholders are what programs are told to set as a key for a server that
// needs none, in small letters and without what is not one.
var placeholders = func() map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(`ollama lmstudio llamacpp llama localai local vllm jan empty none null nil no na nokey nokeyrequired
		nokeyneeded noapikey noapikeyrequired notneeded notrequired notused keynotneeded dummy dummykey placeholder fake fakekey unused
		ignored anything any x xx xxx xxxx xxxxx xxxxxx xxxxxxx xxxxxxxx yourkey yourapikey yourapikeyhere`) {
		set[name] = true
	}
	return set
}()

// PlaceholderKey reports whether a key is one that programs are told to set
// where no key is needed: ollama, lm-studio, EMPTY, none, sk-no-key-required.
func PlaceholderKey(key string) bool {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.TrimPrefix(strings.ToLower(strings.TrimSpace(key)), "sk-"))
	return strings.TrimSpace(key) != "" && (plain == "" || placeholders[plain])
}

// hostedID matches the ids of models that only their vendors have, so that no server on this
// machine can run them. gpt-oss is not one: its weights are public.
var hostedID = plain.Expression(`^((chat)?gpt-|o[134](-|$)|codex-|text-embedding-(3|ada)|davinci|claude-|gemini-|grok-|sonar(-|$))`)

// hostedName is the vendor's id in a name as routers write it:
// openai/gpt-4o, bedrock/us.anthropic.claude-opus-4-5-v1:0, vertex_ai/gemini-2.5-pro;
// "" where the model may run on this machine.
func hostedName(name string) string {
	name = strings.ToLower(name)
	name = name[strings.LastIndexByte(name, '/')+1:]
	for _, dot := range []string{"us.", "eu.", "apac.", "global.", "anthropic.", "openai."} {
		name = strings.TrimPrefix(name, dot)
	}
	name = bedrockVersion().ReplaceAllString(name, "")
	if strings.HasPrefix(name, "gpt-oss") || !hostedID().MatchString(name) {
		return ""
	}
	return name
}

// openAIModel reports whether a model, as it is named upstream, is one of
// OpenAI's own.
func openAIModel(name string) bool { return openAIOwn().MatchString(hostedName(name)) }

var openAIOwn = plain.Expression(`^((chat)?gpt-|o[134](-|$)|codex-|davinci)`)

var bedrockVersion = plain.Expression(`-v\d+(:\d+)?$`)

// localPriced reports whether a call of a local upstream costs what the
// catalogue says, and under which name that has it.
func (r *Registry) localPriced(sent string) (name string, priced bool) {
	switch r.localPrices {
	case LocalOn:
		if hosted := hostedName(sent); hosted != "" {
			return hosted, true
		}
		return sent, true
	case LocalOff:
		return "", false
	}
	name = hostedName(sent)
	return name, name != ""
}

// checkLocalPrices refuses what LocalPrices cannot be.
func checkLocalPrices(s string) error {
	switch s {
	case "", LocalAuto, LocalOn, LocalOff:
		return nil
	}
	return fmt.Errorf("--local-prices is %q; it is one of auto, on, off", s)
}
