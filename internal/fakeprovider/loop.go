package fakeprovider

import (
	"encoding/json"
	"strconv"
	"strings"
)

// loop is what a conversation says of the tools to be called next. An order,
// "[[tool NAME ARGS]]", brings one call about, so that an ordinary program can
// make a provider call its tools; "[[tool*10 NAME ARGS]]" brings ten about, one
// after the other's result. A tool's result may hold the next order.
type loop struct {
	order    *toolOrder
	done     int64 // rounds of results since the order
	rounds   int64 // rounds of results in all
	answered bool  // a result came last
	choice   json.RawMessage
}

// toolOrder is what somebody wants called.
type toolOrder struct {
	call  ToolCall
	times int64 // 0: as often as the behaviour says
}

// told takes what anybody but a tool has said.
func (l *loop) told(said string) {
	l.answered = false
	l.take(said)
}

// result takes what a tool answered. Results of calls that were made side by
// side are one round.
func (l *loop) result(said string) {
	if l.take(said) {
		l.rounds++
	} else if !l.answered {
		l.rounds, l.done = l.rounds+1, l.done+1
	}
	l.answered = true
}

// take makes an order in a text the one that counts.
func (l *loop) take(said string) bool {
	o := orderIn(said)
	if o == nil { // what a tool answered may be JSON within JSON
		o = orderIn(strings.ReplaceAll(said, `\"`, `"`))
	}
	if o != nil {
		l.order, l.done = o, 0
	}
	return o != nil
}

// next is the call that a request brings about, by its tool_choice or by an
// order. Without a number of rounds there is one, of the behaviour's or of the
// order's.
func (l *loop) next(rounds int64) *ToolCall {
	open := !l.answered || l.rounds < rounds
	switch s, ok := text(l.choice); {
	case ok && s == "none":
		return nil
	case ok && (s == "required" || s == "any"):
		if l.order == nil || l.order.call.Name == "" {
			return callIf(open, ToolCall{})
		}
	case !ok && len(l.choice) > 0:
		if name := nameIn(l.choice); name != "" && (l.order == nil || l.order.call.Name != name) {
			return callIf(open, ToolCall{Name: name})
		}
	}
	if l.order == nil {
		return nil
	}
	times := max(1, rounds)
	if l.order.times > 0 {
		times = l.order.times
	}
	return callIf(l.done < times, l.order.call)
}

func callIf(open bool, t ToolCall) *ToolCall {
	if !open {
		return nil
	}
	return &t
}

// orderIn is the first order in a text.
func orderIn(said string) *toolOrder {
	_, after, ok := strings.Cut(said, "[[tool")
	if !ok {
		return nil
	}
	words, _, ok := strings.Cut(after, "]]")
	if !ok {
		return nil
	}
	times, words, ok := strings.Cut(words, " ")
	if !ok {
		return nil
	}
	o := &toolOrder{}
	if times != "" {
		n, err := strconv.ParseInt(strings.TrimPrefix(times, "*"), 10, 32)
		if err != nil || n < 1 || times[0] != '*' {
			return nil
		}
		o.times = n
	}
	name, args, _ := strings.Cut(words, " ")
	if args = strings.TrimSpace(args); args != "" && !json.Valid([]byte(args)) {
		return nil
	}
	o.call = ToolCall{Name: name, Args: args}
	return o
}

// texts are all strings in a JSON value, one after the other.
func texts(m json.RawMessage) string {
	var value any
	if json.Unmarshal(m, &value) != nil {
		return ""
	}
	var said strings.Builder
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			said.WriteString(v + " ")
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(value)
	return said.String()
}
