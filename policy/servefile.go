package policy

import (
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// JobIssuer is a CI whose jobs aex serve gives tokens to, as serve.yaml has it.
type JobIssuer struct {
	URL, Audience string
	Rules         []JobRule
}

// JobRule says which jobs of a CI are an agent's.
type JobRule struct {
	Claims map[string][]string // each has to have one of the values
	Agent  string
	MaxRun *int64        // the most of a run, in micro-US-dollars; nil: no limit
	TTL    time.Duration // of a job's token; 0: not said
}

// ParseServeFile reads the text of serve.yaml strictly; errors name file, line
// and column. An empty file says nothing.
func ParseServeFile(path string, data []byte, checks Checks) (issuers []JobIssuer, err error) {
	f := yamlFile{path, data, serveKeySet, checks}
	root, err := f.parse(data)
	if err != nil || root == nil || kindOf(root) == "empty" {
		return nil, err
	}
	var version int64
	err = f.fields(root, "the file", fieldSet{
		"version": f.version(&version),
		"oidc": func(n *yaml.Node) error {
			if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
				return nil // nobody is believed any more
			}
			return f.each("oidc", func(n *yaml.Node) error {
				issuer, err := f.jobIssuer(n)
				issuers = append(issuers, issuer)
				return err
			})(n)
		},
	})
	return issuers, err
}

func (f yamlFile) jobIssuer(n *yaml.Node) (issuer JobIssuer, err error) {
	err = f.fields(n, "oidc entry", fieldSet{
		"issuer":   f.checked(&issuer.URL, "issuer", f.checks.Issuer),
		"audience": f.text(&issuer.Audience),
		"agents": f.each("agents", func(n *yaml.Node) error {
			rule, err := f.jobRule(n)
			issuer.Rules = append(issuer.Rules, rule)
			return err
		}),
	})
	switch {
	case err != nil:
	case issuer.URL == "":
		err = f.errorf(n, "this entry of oidc needs an issuer; write issuer: https://gitlab.com, or another that vouches for jobs")
	case issuer.Audience == "":
		err = f.errorf(n, "this entry of oidc needs an audience, which is this gateway's address; write audience: https://gate.example.com")
	case len(issuer.Rules) == 0:
		err = f.errorf(n, "this entry of oidc needs agents; write agents: [{claims: {repository: acme/search}, agent: search-ci}]")
	}
	return issuer, err
}

func (f yamlFile) jobRule(n *yaml.Node) (rule JobRule, err error) {
	rule.Claims = map[string][]string{}
	err = f.fields(n, "agents entry", fieldSet{
		"claims": func(n *yaml.Node) error {
			return f.pairs(n, "claims", func(key, value *yaml.Node) (err error) {
				rule.Claims[key.Value], err = f.claim(value)
				return err
			})
		},
		"agent":   f.checked(&rule.Agent, "agent", f.checks.Agent),
		"max_run": f.dollars(&rule.MaxRun, "max_run"),
		"ttl": func(n *yaml.Node) (err error) {
			if f.checks.TTL == nil {
				return nil
			}
			if rule.TTL, err = f.checks.TTL(n.Value); err != nil || n.Kind != yaml.ScalarNode {
				return f.errorf(n, "this is no ttl of a job's token; write up to a day, like 1h or 90m")
			}
			return nil
		},
	})
	switch {
	case err != nil:
	case rule.Agent == "":
		err = f.errorf(n, "this entry of agents needs an agent; write agent: search-ci")
	case len(rule.Claims) == 0:
		err = f.errorf(n, "this entry of agents needs claims, like claims: {repository: acme/search}: without them whoever has a job at that issuer would be let in")
	}
	return rule, err
}

// claim reads the values that a claim may have. Tokens have numbers and true as
// well, and serve.yaml may write them so.
func (f yamlFile) claim(n *yaml.Node) (values []string, err error) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 {
		items = n.Content
	}
	for _, item := range items {
		if item.Kind != yaml.ScalarNode || strings.TrimSpace(item.Value) == "" {
			return nil, f.errorf(item, "this is %s; write the value of the claim, or a list of those that it may have", kindOf(item))
		}
		values = append(values, item.Value)
	}
	return values, nil
}

// each reads a list that is not empty, entry by entry.
func (f yamlFile) each(what string, read func(*yaml.Node) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		switch {
		case n.Kind != yaml.SequenceNode:
			return f.errorf(n, "%s is %s; write a list: %s", what, kindOf(n), f.form(what))
		case len(n.Content) == 0:
			return f.errorf(n, "%s is an empty list; write %s, or leave the key out", what, f.form(what))
		}
		for _, item := range n.Content {
			if err := read(item); err != nil {
				return err
			}
		}
		return nil
	}
}
