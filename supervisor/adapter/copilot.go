package adapter

import "github.com/Auro-rium/aex/v3/supervisor/environ"

// leadCopilot: Copilot CLI with the user's own key goes by variables of its
// own. Without them it asks GitHub, which cannot be metered: so a run that has
// no more than a model named is led, and one with a login at GitHub is not.
func leadCopilot(p *Place) error {
	if !p.has("COPILOT_PROVIDER_BASE_URL") {
		return nil
	}
	copilotVariables(p)
	return nil
}

// startCopilot: started as the agent of this run it has no other way to a
// model than the gateway.
func startCopilot(s *Start) error {
	copilotVariables(s.Place)
	if !s.has("COPILOT_MODEL") && !s.has("COPILOT_PROVIDER_MODEL_ID") {
		s.note("COPILOT_MODEL names no model: give --model, as it must with a key of your own")
	}
	return nil
}

func copilotVariables(p *Place) {
	base := p.Base("OPENAI_BASE_URL")
	if kind, _ := p.get("COPILOT_PROVIDER_TYPE"); kind == "anthropic" {
		base = p.Base("ANTHROPIC_BASE_URL")
	} else {
		p.set("COPILOT_PROVIDER_TYPE", "openai")
	}
	p.set("COPILOT_PROVIDER_BASE_URL", base)
	p.set("COPILOT_PROVIDER_API_KEY", p.Token)
	p.set("COPILOT_PROVIDER_TRANSPORT", "http")
	for _, name := range []string{"COPILOT_PROVIDER_BEARER_TOKEN", "COPILOT_PROVIDER_API_KEY_COMMAND", "COPILOT_PROVIDER_HEADERS", "COPILOT_PROVIDER_AZURE_API_VERSION"} {
		p.unset(name)
	}
}

func clientOfCopilot(to environ.Gateway) [][2]string {
	return [][2]string{
		{"COPILOT_PROVIDER_BASE_URL", to.Base("OPENAI_BASE_URL")}, {"COPILOT_PROVIDER_API_KEY", to.Token}, {"COPILOT_PROVIDER_TYPE", "openai"},
		{"AEX_URL", to.URL}, {"AEX_AGENT_TOKEN", to.Token},
	}
}
