package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// calendar is the list of the zones that a ledger has had, the newest last.
type calendar []zoneSince

type zoneSince struct {
	since int64 // milliseconds
	zone  Zone
}

func (c calendar) zone() Zone {
	if len(c) == 0 {
		return Zone{}
	}
	return c[len(c)-1].zone
}

// start is the start of the window that t lies in. A window that was open when the zone was
// changed goes on, with what was spent in it, until one begins in the new zone: a change
// never gives a budget a second time.
func (c calendar) start(w Window, t time.Time) time.Time {
	for i := len(c) - 1; i >= 0; i-- {
		since := fromMillis(c[i].since)
		if start := c[i].zone.window(w, t); !start.Before(since) {
			return start
		}
		if last := since.Add(-time.Millisecond); t.After(last) {
			t = last
		}
	}
	return Zone{}.window(w, t)
}

// starts are the starts of the windows that t lies in, as queries need them.
func (c calendar) starts(t time.Time) []any {
	return []any{c.start(Daily, t).UnixMilli(), c.start(Weekly, t).UnixMilli(), c.start(Monthly, t).UnixMilli()}
}

// add takes a row of the table.
func (c *calendar) add(scan func(...any) error) error {
	var z zoneSince
	var name string
	if err := scan(&z.since, &name); err != nil {
		return err
	}
	var err error
	if z.zone, err = ParseZone(name); err != nil {
		return fmt.Errorf("%w: its time zone %q is none that this one knows; update aex", ErrNewerSchema, name)
	}
	*c = append(*c, z)
	return nil
}

const zonesQuery = `SELECT since, name FROM zone ORDER BY since`

// calendar reads the ledger's zones.
func (l *Ledger) calendar(ctx context.Context) (c calendar, err error) {
	rs, err := l.read.QueryContext(ctx, zonesQuery)
	if err != nil {
		return nil, l.explain(err)
	}
	defer rs.Close()
	for rs.Next() {
		if err := c.add(rs.Scan); err != nil {
			return nil, l.explain(err)
		}
	}
	return c, l.explain(rs.Err())
}

// Zone is the time zone of the days of windows and reports. told is false where nobody has
// chosen one; then it is UTC.
func (l *Ledger) Zone(ctx context.Context) (z Zone, told bool, err error) {
	c, err := l.calendar(ctx)
	if err != nil {
		return z, false, fmt.Errorf("reading the ledger's time zone: %w", err)
	}
	return c.zone(), len(c) > 0, nil
}

// start of the current window.
func (g *commitGroup) start(w Window) time.Time {
	if !g.rows.zonesRead {
		g.rows.zones = nil
		g.each(zonesQuery, nil, g.rows.zones.add)
		g.rows.zonesRead = g.err == nil
	}
	return g.rows.zones.start(w, g.now)
}

// ErrZoneTold reports that a zone has been chosen before.
var ErrZoneTold = errors.New("the ledger's time zone was chosen before")

// SetZone chooses the time zone of the days of windows and reports. With first it does so
// only if nobody has chosen one yet, and is ErrZoneTold otherwise. changed is false if it was
// this zone already.
func (l *Ledger) SetZone(ctx context.Context, z Zone, first bool) (changed bool, err error) {
	if err := l.budgetsAllowed(); err != nil {
		return false, err
	}
	err = l.commitOne(ctx, func(g *commitGroup) error {
		g.start(Daily) // reads the zones
		was := g.rows.zones
		if g.err != nil || len(was) > 0 && was.zone().String() == z.String() {
			return g.err
		}
		if first && len(was) > 0 {
			return ErrZoneTold
		}
		changed = true
		g.setZone(was, z)
		return g.err
	})
	if err != nil {
		return false, fmt.Errorf("setting the ledger's time zone: %w", err)
	}
	return changed, nil
}

func (g *commitGroup) setZone(was calendar, z Zone) {
	since := g.at
	if n := len(was); n > 0 {
		since = max(since, was[n-1].since+1)
	}
	var windows bool
	g.query(`SELECT EXISTS (SELECT 1 FROM account WHERE start_at <> 0)`, nil, &windows)
	if !windows { // no window has begun: none needs to go on
		g.exec(`DELETE FROM zone`)
		was, since = nil, 0
	}
	g.exec(`INSERT INTO zone (since, name) VALUES (?, ?)`, since, z.String())
	g.rows.zones = append(was[:len(was):len(was)], zoneSince{since, z})
	g.event("ledger.zone", nil, "", func(e *line) {
		e.text("zone", z.String())
	})
}
