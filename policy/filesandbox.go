package policy

import (
	"strconv"

	"gopkg.in/yaml.v3"
)

// Sandbox is what a policy file says of a run's sandbox.
type Sandbox struct {
	Mode         string   `json:"mode,omitempty"` // "auto", "require", "off"; "": not said
	AllowHosts   []string `json:"allow_hosts,omitempty"`
	AllowLocal   []int64  `json:"allow_local,omitempty"` // ports
	AllowSockets []string `json:"allow_sockets,omitempty"`
	Hide         []string `json:"hide,omitempty"`
}

// fields adds its keys to those of a file.
func (s *Sandbox) fields(f yamlFile, set fieldSet) fieldSet {
	set["sandbox"] = f.oneOf(&s.Mode, "auto", "require", "off")
	set["allow_hosts"] = f.checkedNames(&s.AllowHosts, f.checks.Host)
	set["allow_local"] = f.ports(&s.AllowLocal)
	set["allow_sockets"] = f.names(&s.AllowSockets)
	set["hide"] = f.names(&s.Hide)
	return set
}

// ports reads a list of port numbers.
func (f yamlFile) ports(to *[]int64) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		items := n.Content
		switch {
		case n.Kind == yaml.ScalarNode:
			items = []*yaml.Node{n}
		case n.Kind != yaml.SequenceNode || len(items) == 0:
			return f.errorf(n, "this is %s; write a list of ports, as [\"5432\"]", kindOf(n))
		}
		for _, item := range items {
			port, err := strconv.ParseUint(item.Value, 10, 16)
			if err != nil || port == 0 || item.Kind != yaml.ScalarNode {
				return f.errorf(item, "%q is not a port", item.Value)
			}
			*to = append(*to, int64(port))
		}
		return nil
	}
}
