package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
)

// settings are what people set and calls are decided by: budgets, limits, pauses,
// capabilities and a run's policy, as this process last read them. One that is read
// again, because another process has written, is compared: if it has changed, an event
// since then must tell of it. A program of the same user can write the file, and
// could put back what it has changed before the run ends.
type settings struct {
	mu      sync.Mutex
	known   map[string]known // by what it is of
	changed error            // the first that no event tells of
}

// settingsMax bounds them. One that was forgotten is believed when it is read next.
const settingsMax = 20_000

type known struct {
	setting
	at int64 // the trail's end when it was read
}

// setting is a value that can be compared, and what an event makes of it.
type setting interface{ after(e replayedEvent) setting }

type limitSetting struct {
	has    bool
	micros Micros
}

func limitOf(m *Micros) limitSetting {
	if m == nil {
		return limitSetting{}
	}
	return limitSetting{true, *m}
}

type agentSetting struct {
	id     int64
	window Window
	budget limitSetting // of its windows; that of all time is its account's
	limits Limits
	paused bool
	group  int64 // -1: of what an event has moved it to
}

func (a *agent) setting() agentSetting {
	s := agentSetting{id: a.id, window: a.window, limits: a.limits, paused: a.paused, group: a.group}
	if a.window != Total {
		s.budget = limitOf(a.budget)
	}
	return s
}

func (s agentSetting) after(e replayedEvent) setting {
	if e.AgentID != publicID(s.id) || e.Action != "agent.set" && e.Action != "agent.create" {
		return s
	}
	if e.Group != nil {
		s.group = -1
	}
	if e.Window != "" { // else it is of an account alone
		s.window, s.budget, s.paused = e.Window, limitOf(e.WindowBudget), e.Paused
		s.limits = Limits{e.RequestsPerMinute, e.TokensPerMinute, e.Concurrency}
	}
	return s
}

type groupSetting struct {
	id                     int64
	paused                 bool
	daily, weekly, monthly limitSetting // that of all time is its account's
}

func (a *agentGroup) setting() groupSetting {
	of := func(w Window) limitSetting {
		b, has := a.budgets[w]
		return limitSetting{has, b}
	}
	return groupSetting{a.id, a.paused, of(Daily), of(Weekly), of(Monthly)}
}

func (s groupSetting) after(e replayedEvent) setting {
	if e.GroupID == s.id && (e.Action == "group.set" || e.Action == "group.create") {
		return groupSetting{s.id, e.Paused, limitOf(e.Daily), limitOf(e.Weekly), limitOf(e.Monthly)}
	}
	return s
}

type accountSetting struct {
	id, parent int64
	target     limitSetting
}

func (a *account) setting() accountSetting {
	return accountSetting{a.id, a.parent, limitSetting{a.limited, a.target}}
}

func (s accountSetting) after(e replayedEvent) setting {
	for _, b := range e.Budgets {
		if b.Account == s.id {
			s.target = limitOf(b.Target)
		}
	}
	return s
}

// textSetting is an agent's capabilities, or a run's policy: that has no agent,
// and never changes.
type textSetting struct{ agent, text string }

func (s textSetting) after(e replayedEvent) setting {
	if s.agent != "" && e.AgentID == s.agent && len(e.Capabilities) > 0 {
		s.text = string(e.Capabilities)
	}
	return s
}

// runSetting never changes.
type runSetting struct{ no, maxCalls, account int64 }

func (s runSetting) after(replayedEvent) setting { return s }

// since reads the events of a trail after one place, and up to another.
type since func(after, end int64, each func(e replayedEvent)) error

// saw compares a setting with what was known of it. The trail ended at end when the
// setting was read.
func (s *settings) saw(of string, now setting, end int64, trail since) {
	s.mu.Lock()
	was, seen := s.known[of]
	if s.known == nil || len(s.known) >= settingsMax {
		s.known = make(map[string]known)
	}
	s.known[of] = known{now, end}
	s.mu.Unlock()
	if !seen || end < was.at || was.setting == now {
		return
	}
	told, folded := was.setting, false
	err := trail(was.at, end, func(e replayedEvent) {
		told = told.after(e)
		folded = folded || e.Folded != nil
	})
	if err != nil || folded {
		return // whoever asked is told that it cannot be read; events that were pruned tell nothing
	}
	if a, moved := told.(agentSetting); moved && a.group < 0 {
		a.group = now.(agentSetting).group //nolint:forcetypeassert // told is of the same kind
		told = a
	}
	if told != now {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.changed == nil {
			s.changed = fmt.Errorf("%w: while it was in use the %s was set to what no event tells of", ErrChanged, of)
		}
	}
}

// wereChanged is the first change that no event told of, nil for none.
func (s *settings) wereChanged() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// settingEvents are the events that may tell of a setting: no usage, which is
// nearly all of a trail.
const settingEvents = `SELECT body FROM event_log WHERE seq > ? AND seq <= ? AND instr(body, '"action":"usage.') = 0 ORDER BY seq`

func eachSetting(each func(e replayedEvent)) func(scan func(...any) error) error {
	return func(scan func(...any) error) error {
		var body []byte
		if err := scan(&body); err != nil {
			return err
		}
		var e replayedEvent
		err := json.Unmarshal(body, &e)
		each(e)
		return err
	}
}

// saw compares a setting that the writer has read. On a server it does nothing:
// programs cannot write there.
func (g *commitGroup) saw(of string, id int64, now setting) {
	if g.w.l.server != nil || g.err != nil {
		return
	}
	end := g.last().seq - int64(len(g.events)) // in the file
	g.w.l.settings.saw(fmt.Sprintf("%s %d", of, id), now, end, func(after, end int64, each func(e replayedEvent)) error {
		g.each(settingEvents, []any{after, end}, eachSetting(each))
		return g.err
	})
}

// sawTexts is the same for what an identity was read with.
func (l *Ledger) sawTexts(ctx context.Context, id Identity, end int64) {
	if l.server != nil || l.write == nil {
		return
	}
	trail := func(after, end int64, each func(e replayedEvent)) error {
		rs, err := l.read.QueryContext(ctx, settingEvents, after, end)
		if err != nil {
			return err
		}
		defer rs.Close()
		row := eachSetting(each)
		for rs.Next() {
			if err := row(rs.Scan); err != nil {
				return err
			}
		}
		return rs.Err()
	}
	l.settings.saw("capabilities of agent "+id.AgentID, textSetting{id.AgentID, string(rawText(id.Capabilities))}, end, trail)
	if id.Run != "" {
		l.settings.saw("policy of run "+string(id.Run), textSetting{"", string(rawText(id.RunPolicy))}, end, trail)
	}
}
