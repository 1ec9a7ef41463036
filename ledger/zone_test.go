package ledger_test

import (
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

func zone(t testing.TB, name string) ledger.Zone {
	t.Helper()
	z, err := ledger.ParseZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func (h *history) setZone(name string) {
	h.t.Helper()
	if changed, err := h.SetZone(h.t.Context(), zone(h.t, name), false); err != nil || !changed {
		h.t.Fatalf("%s: changed %v, %v", name, changed, err)
	}
}

// daily is the current window of an agent: when it began, and what was spent.
func (h *history) daily(agent string) (start time.Time, spent ledger.Micros) {
	h.t.Helper()
	a, err := h.Agent(h.t.Context(), agent)
	if err != nil {
		h.t.Fatal(err)
	}
	return a.Account.Start, a.Account.Spent
}

// months sees that each begins with its first day.
func (h *history) months(z ledger.Zone) {
	h.t.Helper()
	months, err := h.Spend(h.t.Context(), ledger.SpendFilter{Per: ledger.ByMonth})
	if err != nil || len(months) == 0 {
		h.t.Fatal(months, err)
	}
	for _, m := range months {
		if local := m.Bucket.In(z.Location()); local.Day() != 1 || local.Hour() > 1 {
			h.t.Errorf("a month that begins at %s", local)
		}
	}
}

// A window and the report of its day are of the same calls, in every zone: also
// in one of half hours, and where clocks are turned, by half an hour or at
// midnight.
func TestWindowsAndReportsHaveTheSameDays(t *testing.T) {
	for _, c := range []struct {
		zone  string
		about time.Time
	}{
		{"UTC", time.Date(2026, 3, 28, 3, 0, 0, 0, time.UTC)},
		{"Europe/Berlin", time.Date(2026, 3, 28, 3, 0, 0, 0, time.UTC)},
		{"Europe/Berlin", time.Date(2026, 10, 24, 3, 0, 0, 0, time.UTC)},
		{"America/New_York", time.Date(2026, 10, 30, 3, 0, 0, 0, time.UTC)},
		{"Asia/Kolkata", time.Date(2026, 3, 28, 3, 0, 0, 0, time.UTC)},
		{"Australia/Lord_Howe", time.Date(2026, 4, 3, 3, 0, 0, 0, time.UTC)},
		{"America/Havana", time.Date(2026, 3, 6, 3, 0, 0, 0, time.UTC)}, // no 00:00 on the 8th
		{"Pacific/Kiritimati", time.Date(2026, 2, 27, 3, 0, 0, 0, time.UTC)},
	} {
		t.Run(c.zone+" "+c.about.Format(time.DateOnly), func(t *testing.T) {
			h := newHistory(t, c.about)
			if c.zone != "UTC" {
				h.setZone(c.zone)
			}
			token := agent(t, h.Ledger, ledger.NewAgent{Name: "x", Budget: usd(t, "100"), Window: ledger.Daily})
			random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
			windows := map[time.Time]ledger.Micros{}
			for n := range 120 {
				h.now = h.now.Add(time.Duration(random.IntN(95)) * time.Minute)
				if no := h.spendUSD(token, ledger.Micros(1000+n)); no != nil {
					t.Fatalf("%+v", no)
				}
				start, spent := h.daily("x")
				if start.After(h.now) || h.now.Sub(start) > 26*time.Hour {
					t.Fatalf("at %s the day began at %s", h.now, start)
				}
				local := start.In(zone(t, c.zone).Location())
				if local.Hour() > 1 {
					t.Fatalf("a day that begins at %s", local)
				}
				windows[start] = spent
			}
			sums, err := h.Spend(t.Context(), ledger.SpendFilter{Per: ledger.ByDay})
			if err != nil || len(sums) != len(windows) || len(sums) < 3 {
				t.Fatalf("%d days and %d windows, %v", len(sums), len(windows), err)
			}
			for _, s := range sums {
				if windows[s.Bucket] != s.Cost {
					t.Errorf("the day of %s cost %s, its window %s", s.Bucket, s.Cost, windows[s.Bucket])
				}
				if day := zone(t, c.zone).Start(ledger.ByDay, s.Bucket); !day.Equal(s.Bucket) {
					t.Errorf("%s is in the day of %s", s.Bucket, day)
				}
			}
			h.months(zone(t, c.zone))
			verify(t, h.Ledger)
		})
	}
}

// What a window has spent is never forgotten by a change of the zone, there and
// back again: the window goes on until a day begins in the new one.
func TestChangeOfZoneKeepsWhatWasSpent(t *testing.T) {
	h := newHistory(t, time.Date(2026, 7, 1, 20, 0, 0, 0, time.UTC))
	token := agent(t, h.Ledger, ledger.NewAgent{Name: "x", Budget: usd(t, "1"), Window: ledger.Daily})
	if no := h.spendUSD(token, 900_000); no != nil {
		t.Fatalf("%+v", no)
	}
	for _, name := range []string{"Asia/Tokyo", "America/New_York", "UTC", "Europe/Berlin", "Asia/Tokyo"} {
		h.setZone(name)
		if start, spent := h.daily("x"); spent != 900_000 || start.After(h.now) {
			t.Errorf("%s: the window since %s has spent %s", name, start, spent)
		}
		if no := h.spendUSD(token, 200_000); no == nil {
			t.Errorf("%s gave the budget anew", name)
		}
	}
	// In Tokyo it has been the 2nd for five hours: its next day begins at 15:00.
	h.now = time.Date(2026, 7, 2, 14, 59, 0, 0, time.UTC)
	if no := h.spendUSD(token, 200_000); no == nil {
		t.Error("a new window before the day began")
	}
	h.now = h.now.Add(time.Minute)
	if no := h.spendUSD(token, 200_000); no != nil {
		t.Errorf("%+v", no)
	}
	if start, spent := h.daily("x"); spent != 200_000 || !start.Equal(h.now) {
		t.Errorf("the window since %s has spent %s", start, spent)
	}
	verify(t, h.Ledger)
	told := events(t, h.Ledger, ledger.EventFilter{Action: "ledger.zone"})
	if len(told) != 5 || told[0].Action != "ledger.zone" {
		t.Errorf("%d events of it", len(told))
	}
}

// A file may choose the zone where nobody has, and then it holds from the first
// window on.
func TestFirstChoiceOfAZone(t *testing.T) {
	h := newHistory(t, time.Date(2026, 7, 1, 20, 0, 0, 0, time.UTC))
	if z, told, err := h.Zone(t.Context()); err != nil || told || z.String() != "UTC" {
		t.Fatalf("%s, %v, %v", z, told, err)
	}
	if changed, err := h.SetZone(t.Context(), zone(t, "Asia/Tokyo"), true); err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	token := agent(t, h.Ledger, ledger.NewAgent{Name: "x", Budget: usd(t, "1"), Window: ledger.Weekly})
	if no := h.spendUSD(token, 100_000); no != nil {
		t.Fatalf("%+v", no)
	}
	if start, _ := h.daily("x"); !start.Equal(time.Date(2026, 6, 28, 15, 0, 0, 0, time.UTC)) {
		t.Errorf("the week began at %s", start)
	}
	if changed, err := h.SetZone(t.Context(), zone(t, "Asia/Tokyo"), true); err != nil || changed {
		t.Errorf("the same again: %v, %v", changed, err)
	}
	if _, err := h.SetZone(t.Context(), zone(t, "UTC"), true); !errors.Is(err, ledger.ErrZoneTold) {
		t.Errorf("another one: %v", err)
	}
	for _, wrong := range []string{"", "Local", "EST", "Europe/Berlim", "../etc/passwd", "Europe/../Europe/Berlin"} {
		if _, err := ledger.ParseZone(wrong); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// A newer aex may have chosen a zone that this one does not know yet: that is no damage.
func TestZoneOfANewerAex(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if _, err := l.SetZone(t.Context(), zone(t, "Asia/Tokyo"), false); err != nil {
		t.Fatal(err)
	}
	raw(t, dir, func(db *sql.DB) { must(t, db, `UPDATE zone SET name = 'Asia/Newtown'`) })
	if _, _, err := l.Zone(t.Context()); !errors.Is(err, ledger.ErrNewerSchema) || errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), `"Asia/Newtown"`) {
		t.Error(err)
	}
}
