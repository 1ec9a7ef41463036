// Command bot does what bots do with the Go SDKs of OpenAI and Anthropic as
// they come, and prints all that it got that does not differ from one run to
// the next. Its argument is openai or anthropic.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	bots := map[string]func(context.Context) error{"openai": openAI, "anthropic": anthropicBot}
	bot := bots[os.Args[len(os.Args)-1]]
	if bot == nil {
		log.Fatal("usage: bot openai|anthropic")
	}
	if err := bot(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// passing are the members that differ from run to run.
var passing = map[string]bool{"id": true, "created": true, "created_at": true, "completed_at": true, "item_id": true, "call_id": true, "tool_use_id": true}

// show prints the text that came, without what passes.
func show(kind, raw string) {
	var v any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		log.Fatalf("%s: %v", kind, err)
	}
	b, err := json.Marshal(steady(v))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(kind, string(b))
}

func steady(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			if passing[name] {
				delete(v, name)
				continue
			}
			v[name] = steady(v[name])
		}
	case []any:
		for i := range v {
			v[i] = steady(v[i])
		}
	}
	return v
}
