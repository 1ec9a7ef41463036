package policy

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

// yamlFile reads a YAML file strictly: every key must be known, every value of
// its type. Errors carry file, line and column.
type yamlFile struct {
	name   string
	data   []byte
	keys   keySet
	checks Checks
}

// Checks are what other packages know of the values in these files. What is
// nil is not looked at.
type Checks struct {
	Agent, Group func(string) error                  // a name
	Host         func(string) error                  // a host that a sandbox lets out to
	Gateway      func(string) error                  // the address of a shared gateway
	Issuer       func(string) error                  // the address of a CI that vouches for jobs
	TTL          func(string) (time.Duration, error) // of a token
}

// fieldSet maps the keys of a mapping to what reads their values.
type fieldSet map[string]func(*yaml.Node) error

var yamlLine = plain.Expression(`^yaml: (?:line (\d+): )?`)

// parse returns the root of the file's only document; nil for an empty file.
func (f yamlFile) parse(data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		line := 1
		if m := yamlLine().FindStringSubmatch(err.Error()); m != nil && m[1] != "" {
			line, _ = strconv.Atoi(m[1]) // digits
		}
		return nil, f.at(line, 1, "not YAML: %s; check the indentation and the quotes", yamlLine().ReplaceAllString(err.Error(), ""))
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, f.at(1, 1, "more than one document; keep one and remove the --- lines")
	}
	if len(doc.Content) != 1 {
		return nil, nil
	}
	return doc.Content[0], nil
}

func (f yamlFile) errorf(n *yaml.Node, format string, args ...any) error {
	return f.at(n.Line, n.Column, format, args...)
}

// pairs visits the keys and values of a mapping, in order, each key once.
func (f yamlFile) pairs(n *yaml.Node, what string, visit func(key, value *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		if form := f.form(what); form != "" {
			return f.errorf(n, "%s is %s; write %s", what, kindOf(n), form)
		}
		return f.errorf(n, "%s is %s; write it as a mapping of keys and values", what, kindOf(n))
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Value == "" || key.Tag == "!!merge" {
			return f.errorf(key, "a key of %s is %s; write a name", what, kindOf(key))
		}
		if line, twice := seen[key.Value]; twice {
			return f.errorf(key, "%q stands twice in %s, first in line %d; remove one", key.Value, what, line)
		}
		seen[key.Value] = key.Line
		if value.Kind == yaml.AliasNode || value.Anchor != "" {
			return f.errorf(value, "anchors are not supported; write the value out")
		}
		if err := visit(key, value); err != nil {
			return err
		}
	}
	return nil
}

// fields reads a mapping whose keys are all known.
func (f yamlFile) fields(n *yaml.Node, what string, set fieldSet) error {
	return f.pairs(n, what, func(key, value *yaml.Node) error {
		read, known := set[key.Value]
		if !known {
			keys := make([]string, 0, len(set))
			for k := range set {
				keys = append(keys, k)
			}
			return f.errorf(key, "%s", f.unknownKey(key.Value, what, keys))
		}
		return read(value)
	})
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.Tag == "!!null":
		return "empty"
	case n.Tag == "!!str":
		return "text"
	case n.Tag == "!!int", n.Tag == "!!float":
		return "a number"
	case n.Tag == "!!bool":
		return "true or false"
	}
	return n.Tag
}

// text reads a string that is not empty.
func (f yamlFile) text(to *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Tag != "!!str" || n.Value == "" {
			return f.errorf(n, "this is %s; write text", kindOf(n))
		}
		*to = n.Value
		return nil
	}
}

func (f yamlFile) boolean(to *bool) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			return f.errorf(n, "this is %s; write true or false", kindOf(n))
		}
		*to = strings.EqualFold(n.Value, "true")
		return nil
	}
}

func (f yamlFile) maybe(to **bool) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		*to = new(bool)
		return f.boolean(*to)(n)
	}
}

// integer reads a plain whole number between least and most.
func (f yamlFile) integer(to *int64, least, most int64) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
			return f.errorf(n, "this is %s; write a whole number", kindOf(n))
		}
		v, err := strconv.ParseInt(n.Value, 10, 64)
		if err != nil || v < least || v > most {
			return f.errorf(n, "%s is not a whole number from %d to %d", n.Value, least, most)
		}
		*to = v
		return nil
	}
}

// version reads the form of a file, of which there is one.
func (f yamlFile) version(to *int64) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Value != "1" || f.integer(to, 1, 1)(n) != nil {
			return f.errorf(n, "this aex knows files of version 1, not %s; write version: 1", n.Value)
		}
		return nil
	}
}

// decimal reads a number, quoted or not, from its own text: never by float.
func (f yamlFile) decimal(to **Pico, read func(string) (Pico, error)) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Tag != "!!str" && n.Tag != "!!int" && n.Tag != "!!float" {
			return f.errorf(n, "this is %s; write a price like \"0.15\"", kindOf(n))
		}
		p, err := read(n.Value)
		if err != nil {
			return f.errorf(n, "%v", err)
		}
		*to = &p
		return nil
	}
}

// list reads a list of texts; one text alone is a list of one.
func (f yamlFile) list(to *[]string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		items := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			items = n.Content
		}
		*to = []string{}
		for _, item := range items {
			var s string
			if item.Anchor != "" {
				return f.errorf(item, "anchors are not supported; write the value out")
			}
			if err := f.text(&s)(item); err != nil {
				return err
			}
			*to = append(*to, s)
		}
		return nil
	}
}

// oneOf reads one of a few words.
func (f yamlFile) oneOf(to *string, words ...string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || !slices.Contains(words, n.Value) {
			return f.errorf(n, "this must be one of %s", strings.Join(words, ", "))
		}
		*to = n.Value
		return nil
	}
}

// checked reads text that has rules of its own.
func (f yamlFile) checked(to *string, what string, check func(string) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := f.text(to)(n); err != nil || check == nil {
			return err
		}
		if err := check(*to); err != nil {
			return f.errorf(n, "%s: %v", what, err)
		}
		return nil
	}
}

// checkedNames reads a list of names that have rules of their own.
func (f yamlFile) checkedNames(to *[]string, check func(string) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := f.names(to)(n); err != nil || check == nil {
			return err
		}
		for i, name := range *to {
			if err := check(name); err != nil {
				at := n
				if n.Kind == yaml.SequenceNode {
					at = n.Content[i]
				}
				return f.errorf(at, "%v", err)
			}
		}
		return nil
	}
}
