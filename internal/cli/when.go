package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// timeFlag is a point in time: an instant, how long ago, or a day, week or
// month, of which --since takes the beginning and --until the end.
type timeFlag struct {
	text string
	ago  time.Duration
	at   time.Time
	span span
}

// span is a day, week or month of the ledger's zone.
type span func(z ledger.Zone, now time.Time) (from, to time.Time)

// spans are those that have a word.
var spans = map[string]span{
	"today":     dayBack(0),
	"yesterday": dayBack(1),
	"week":      func(z ledger.Zone, now time.Time) (time.Time, time.Time) { return weekOf(z, z.Week(now)) },
	"last-week": func(z ledger.Zone, now time.Time) (time.Time, time.Time) {
		return weekOf(z, z.Week(z.Week(now).Add(-time.Hour)))
	},
	"month":      monthBack(0),
	"last-month": monthBack(1),
}

// spanWords are their names, in the order of help.
var spanWords = []string{"today", "yesterday", "week", "last-week", "month", "last-month"}

func dayBack(n int) span {
	return func(z ledger.Zone, now time.Time) (time.Time, time.Time) {
		y, m, d := now.In(z.Location()).Date()
		return z.Midnight(y, m, d-n), z.Midnight(y, m, d-n+1)
	}
}

func monthBack(n time.Month) span {
	return func(z ledger.Zone, now time.Time) (time.Time, time.Time) {
		y, m, _ := now.In(z.Location()).Date()
		return z.Midnight(y, m-n, 1), z.Midnight(y, m-n+1, 1)
	}
}

func weekOf(z ledger.Zone, monday time.Time) (from, to time.Time) {
	y, m, d := monday.In(z.Location()).Date()
	return monday, z.Midnight(y, m, d+7)
}

// dated is the day or the month that is written as a date.
func dated(v string) (span, bool) {
	if t, err := time.Parse(time.DateOnly, v); err == nil {
		return func(z ledger.Zone, _ time.Time) (time.Time, time.Time) {
			return z.Midnight(t.Date()), z.Midnight(t.AddDate(0, 0, 1).Date())
		}, true
	}
	if t, err := time.Parse("2006-01", v); err == nil {
		return func(z ledger.Zone, _ time.Time) (time.Time, time.Time) {
			return z.Midnight(t.Date()), z.Midnight(t.AddDate(0, 1, 0).Date())
		}, true
	}
	return nil, false
}

func (f *timeFlag) String() string { return f.text }
func (f *timeFlag) Type() string   { return "TIME" }
func (f *timeFlag) Set(v string) error {
	*f = timeFlag{text: v, span: spans[strings.ReplaceAll(strings.ToLower(v), " ", "-")]}
	if f.span != nil {
		return nil
	}
	if s, ok := dated(v); ok {
		f.span = s
		return nil
	}
	if d, err := days(v); err == nil {
		f.ago = d
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, v, time.Local); err == nil {
			f.at = t
			return nil
		}
	}
	return fmt.Errorf("%q is not a time; write 2026-11-20, 2026-11, 2026-11-20T10:00:00Z, %s, or how long ago, like 90m, 24h, 7d, 2w", v, strings.Join(spanWords, ", "))
}

// days reads a duration that may be in days or weeks: 7d, 2w.
func days(v string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(v, "w"); ok {
		d, err := days(n + "d")
		return 7 * d, err
	}
	if n, ok := strings.CutSuffix(v, "d"); ok {
		d, err := time.ParseDuration(n + "h")
		if err != nil || d > 100*365*time.Hour {
			return 0, fmt.Errorf("%q is not a number of days", v)
		}
		return 24 * d, err
	}
	d, err := time.ParseDuration(v)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q is negative", v)
	}
	return d, err
}

// since is where it begins; zero where no time was given.
func (f *timeFlag) since(z ledger.Zone, now time.Time) time.Time {
	if f.span != nil {
		from, _ := f.span(z, now)
		return from
	}
	if f.ago > 0 {
		return now.Add(-f.ago)
	}
	return f.at
}

// until is where it ends: the last of a day, week or month.
func (f *timeFlag) until(z ledger.Zone, now time.Time) time.Time {
	if f.span == nil {
		return f.since(z, now)
	}
	_, to := f.span(z, now)
	return to.Add(-time.Millisecond)
}

// between are the times of --since and --until, which may not be over before
// they begin.
func (a *app) between(ctx context.Context, l *ledger.Ledger, since, until timeFlag) (from, to time.Time, err error) {
	z, _, err := l.Zone(ctx)
	if err != nil {
		return from, to, err
	}
	now := a.now()
	from, to = since.since(z, now), until.until(z, now)
	if since.text != "" && until.text != "" && !from.Before(to) {
		return from, to, usageError("--until %s is not later than --since %s", until.text, since.text)
	}
	return from, to, nil
}
