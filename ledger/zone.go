package ledger

import (
	"fmt"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/internal/zones"
)

// Zone is whose days, weeks and months windows and reports have; the zero one is
// UTC. Sums are kept by the hours of UTC, so a day begins with the first of them
// that is wholly in it: in India half an hour after midnight. Thus a window and
// the report of its day are of the same calls, everywhere.
type Zone struct{ loc *time.Location }

// ParseZone takes a name of the IANA database.
func ParseZone(name string) (Zone, error) {
	if name == "UTC" {
		return Zone{}, nil
	}
	if !strings.Contains(name, "/") { // "Local" is each machine's own, and "EST" knows no summer
		return Zone{}, fmt.Errorf("%w: %q is not a time zone; its name is like Europe/Berlin, America/New_York or UTC", ErrInvalid, name)
	}
	loc, err := zones.Load(name)
	if err != nil {
		return Zone{}, fmt.Errorf("%w: there is no time zone %q; names are like Europe/Berlin, America/New_York or UTC", ErrInvalid, name)
	}
	return Zone{loc}, nil
}

// Location is the zone as package time has it.
func (z Zone) Location() *time.Location {
	if z.loc == nil {
		return time.UTC
	}
	return z.loc
}

func (z Zone) String() string { return z.Location().String() }

// Midnight is the beginning of a day; the calendar takes care of a day 0 or 32.
func (z Zone) Midnight(y int, m time.Month, d int) time.Time {
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	isBefore := func(t time.Time) bool {
		y, m, d := t.In(z.Location()).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Before(day)
	}
	// Where clocks are turned at midnight there is none, or two.
	t := time.Date(y, m, d, 0, 0, 0, 0, z.Location()).UTC().Truncate(time.Hour)
	for isBefore(t) {
		t = t.Add(time.Hour)
	}
	for !isBefore(t.Add(-time.Hour)) {
		t = t.Add(-time.Hour)
	}
	return t
}

// Start is the beginning of the hour, day or month that t lies in.
func (z Zone) Start(per Grouping, t time.Time) time.Time { return z.start(per, t, 0) }

// Next is the beginning of the hour, day or month after that which t lies in.
func (z Zone) Next(per Grouping, t time.Time) time.Time { return z.start(per, t, 1) }

// start is the beginning of the hour, day or month that comes so many after that
// which t lies in.
func (z Zone) start(per Grouping, t time.Time, after int) time.Time {
	t = t.UTC().Truncate(time.Hour)
	y, m, d := t.In(z.Location()).Date()
	switch per {
	case ByMonth:
		return z.Midnight(y, m+time.Month(after), 1)
	case ByDay:
		return z.Midnight(y, m, d+after)
	}
	return t.Add(time.Duration(after) * time.Hour)
}

// Week is the Monday of the week that t lies in, as in ISO 8601.
func (z Zone) Week(t time.Time) time.Time {
	local := t.UTC().Truncate(time.Hour).In(z.Location())
	y, m, d := local.Date()
	return z.Midnight(y, m, d-(int(local.Weekday())+6)%7)
}

// window is the start of the window that t lies in.
func (z Zone) window(w Window, t time.Time) time.Time {
	switch w {
	case Daily:
		return z.Start(ByDay, t)
	case Weekly:
		return z.Week(t)
	case Monthly:
		return z.Start(ByMonth, t)
	}
	return time.Time{}
}

// buckets are SQL for what a row of the tally is summed up in: its hour since
// 1970, or the number of its day, or of its month's first, in the zone.
func (z Zone) buckets(d *dialect, now time.Time) map[Grouping]string {
	local := `t.hour * 3600` + z.offset(now)
	return map[Grouping]string{
		"":      `0`,
		ByHour:  `t.hour`,
		ByDay:   `(` + local + `) / 86400`,
		ByMonth: d.monthOf(local),
	}
}

// bucket is the beginning of what buckets has numbered.
func (z Zone) bucket(per Grouping, n int64) time.Time {
	if per == ByDay || per == ByMonth {
		return z.Midnight(time.Unix(n*86400, 0).UTC().Date())
	}
	return fromMillis(n * hourMillis)
}

// offset is SQL for how many seconds local time is ahead of UTC, back to forty
// turns of the clock ago.
func (z Zone) offset(now time.Time) string {
	if z.loc == nil {
		return ""
	}
	q := ` + CASE`
	t := now.In(z.loc)
	for range 40 {
		start, _ := t.ZoneBounds()
		if start.IsZero() {
			break
		}
		_, ahead := t.Zone()
		q += fmt.Sprintf(` WHEN t.hour * 3600 >= %d THEN %d`, start.Unix(), ahead)
		t = start.Add(-time.Second)
	}
	_, ahead := t.Zone()
	if q == ` + CASE` {
		return fmt.Sprintf(` + %d`, ahead)
	}
	return q + fmt.Sprintf(` ELSE %d END`, ahead)
}
