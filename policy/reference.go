package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Takes is what the value of a key is.
type Takes string

// What values are.
const (
	TakesText     Takes = "text"
	TakesNumber   Takes = "whole number"
	TakesSwitch   Takes = "true or false"
	TakesUSD      Takes = "dollars"
	TakesDuration Takes = "length of time"
	TakesNames    Takes = "names, with * and ?"
	TakesWord     Takes = "one of a few words"
	TakesKeys     Takes = "keys"
	TakesFree     Takes = "names and values"
)

// Key is a key of a file that people write: what it takes and what it does.
// Documentation, examples and editors' schemas are made from these.
type Key struct {
	Path    string // "models.allow"; NAME stands for a name of the user's own
	Takes   Takes
	Words   []string // of TakesWord
	Text    string   // a sentence without its end
	Example string   // the value, as YAML on one line; "" for TakesKeys
	Needed  bool
	Named   bool // only in a file that was named by --policy, not in one that was found
}

// Name is the last part of the key's path.
func (k Key) Name() string { return k.Path[strings.LastIndexByte(k.Path, '.')+1:] }

// depth is how many keys it stands below.
func (k Key) depth() int { return strings.Count(k.Path, ".") }

// Example is a file with every key and what it does, all but the needed ones
// behind a # at the start of their lines.
func Example(keys []Key, head string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(head), "\n") {
		b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	for _, k := range keys {
		indent := strings.Repeat("  ", k.depth())
		if k.depth() == 0 {
			b.WriteString("\n")
		}
		mark := "#"
		if k.Needed && k.depth() == 0 {
			mark = ""
		}
		fmt.Fprintf(&b, "%s# %s\n", indent, k.sentence())
		name := strings.ReplaceAll(k.Name(), "NAME", exampleNames[k.Path])
		fmt.Fprintf(&b, "%s%s\n", mark, strings.TrimRight(indent+name+": "+k.Example, " "))
	}
	return b.String()
}

// exampleNames are what NAME stands for in an example.
var exampleNames = map[string]string{
	"providers.NAME": "corp", "models.NAME": "small", "routes.NAME": `"POST /v1/images/generations"`,
}

// sentence is what the key does, with the words that it takes.
func (k Key) sentence() string {
	text := k.Text
	if k.Takes == TakesWord {
		text += ": " + strings.Join(k.Words, ", ")
	}
	if k.Named {
		text += " (only in a file that --policy names)"
	}
	return text
}

// Reference is a table of the keys for a page of documentation.
func Reference(keys []Key) string {
	var b strings.Builder
	b.WriteString("| key | takes | for example | |\n|---|---|---|---|\n")
	for _, k := range keys {
		takes, example := string(k.Takes), ""
		if k.Takes == TakesWord {
			takes = "`" + strings.Join(k.Words, "`, `") + "`"
		}
		if k.Example != "" {
			example = "`" + k.Example + "`"
		}
		text := k.Text
		if k.Needed {
			text += "; needed"
		}
		if k.Named {
			text += "; only in a file that `--policy` names"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Path, takes, example, text)
	}
	return b.String()
}

// ReferencePage is the page of documentation about a file.
func ReferencePage(name string, keys []Key) string {
	command := map[string]string{"aex.yaml": "policy", "models.yaml": "models"}[name]
	return "# " + name + "\n\nEvery key, from the code that reads it. `aex " + command + " init` writes an example with all of them. Editors complete and check the file by\nits schema, " +
		"[" + strings.TrimSuffix(name, ".yaml") + ".schema.json](" + strings.TrimSuffix(name, ".yaml") + ".schema.json), which `aex " + command + " schema` prints: the first line of the example names it. Lengths of time are like `90s` or `30m`;\ndollars have at most six decimal places and are best quoted; one name stands for a list of one.\n\n" + Reference(keys)
}

// schema is a JSON schema, as editors read it.
type schema struct {
	Schema      string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        any                `json:"type,omitempty"`
	AnyOf       []*schema          `json:"anyOf,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Minimum     *int               `json:"minimum,omitempty"`
	MinItems    int                `json:"minItems,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Additional  any                `json:"additionalProperties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Const       any                `json:"const,omitempty"`
}

// Schema is a JSON schema of a file with these keys.
func Schema(keys []Key, title string) []byte {
	root := &schema{Schema: "http://json-schema.org/draft-07/schema#", Title: title, Type: "object", Additional: false, Properties: map[string]*schema{}}
	at := map[string]*schema{"": root}
	for _, k := range keys {
		parent := ""
		if i := strings.LastIndexByte(k.Path, '.'); i >= 0 {
			parent = k.Path[:i]
		}
		in, s := at[parent], k.schema()
		if in.Properties == nil && in.AnyOf != nil { // routes.NAME is a word or keys
			in = in.AnyOf[len(in.AnyOf)-1]
		}
		at[k.Path] = s
		switch {
		case k.Name() == "NAME":
			in.Additional, in.Properties = s, nil
		default:
			in.Properties[k.Name()] = s
		}
		if k.Needed {
			in.Required = append(in.Required, k.Name())
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic(err) // it holds only what can be encoded
	}
	return b.Bytes()
}

func (k Key) schema() *schema {
	s := &schema{Description: k.sentence()}
	one := 1
	switch k.Takes {
	case TakesText:
		s.Type = "string"
	case TakesNumber:
		s.Type, s.Minimum = "integer", &one
		if k.Path == "version" {
			s.Const = 1
		}
	case TakesSwitch:
		s.Type = "boolean"
	case TakesUSD:
		s.Type, s.Pattern = []string{"string", "number"}, `^\$?[0-9]+(\.[0-9]{1,6})?$`
	case TakesDuration:
		s.Type, s.Pattern = "string", `^([0-9.]+(ns|us|µs|ms|s|m|h))+$`
	case TakesWord:
		s.Enum = k.Words
		if k.Path == "routes.NAME" {
			s.Enum = nil
			s.AnyOf = []*schema{{Enum: k.Words}, {Type: "object", Additional: false, Properties: map[string]*schema{}}}
		}
	case TakesNames:
		s.AnyOf = []*schema{{Type: "string"}, {Type: "array", MinItems: 1, Items: &schema{Type: "string"}}}
	case TakesKeys:
		s.Type, s.Additional, s.Properties = "object", false, map[string]*schema{}
	case TakesFree:
		s.Type, s.Additional = "object", &schema{Type: []string{"string", "number", "boolean"}}
	}
	return s
}
