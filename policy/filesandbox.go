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

// read reads a mode alone, or a mode with what is let out.
func (s *Sandbox) read(f yamlFile) func(*yaml.Node) error {
	mode := f.oneOf(&s.Mode, "auto", "require", "off")
	return func(n *yaml.Node) error {
		if n.Kind == yaml.ScalarNode {
			return mode(n)
		}
		err := f.fields(n, "sandbox", fieldSet{
			"mode": mode, "allow_hosts": f.names(&s.AllowHosts), "allow_sockets": f.names(&s.AllowSockets), "hide": f.names(&s.Hide),
			"allow_local": f.ports(&s.AllowLocal),
		})
		if err == nil && s.Mode == "" {
			return f.errorf(n, "there is no mode; write mode: auto, require or off")
		}
		return err
	}
}

// ports reads a list of port numbers.
func (f yamlFile) ports(to *[]int64) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.SequenceNode {
			return f.errorf(n, "this is %s; write a list of ports, as [5432]", kindOf(n))
		}
		for _, item := range n.Content {
			port, err := strconv.ParseUint(item.Value, 10, 16)
			if err != nil || port == 0 || item.Kind != yaml.ScalarNode {
				return f.errorf(item, "%q is not a port", item.Value)
			}
			*to = append(*to, int64(port))
		}
		return nil
	}
}
