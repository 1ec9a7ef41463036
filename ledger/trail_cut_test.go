package ledger

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// turnedBack is a ledger that somebody who may do everything on its server has put
// back to an earlier state, all of it, so that it fits together.
type turnedBack struct {
	t     *testing.T
	place string
	db    *sql.DB
}

var stateTables = []string{"agent_group", "group_budget", "agent", "account", "run", "token", "hold", "pace", "zone", "event_hour", "event_log", "tally", "turn"}

func (b *turnedBack) do(queries ...string) {
	b.t.Helper()
	for _, q := range queries {
		if _, err := b.db.Exec(q); err != nil {
			b.t.Fatalf("%s: %v", q, err)
		}
	}
}

func (b *turnedBack) keep() {
	b.t.Helper()
	for _, table := range stateTables {
		b.do(`CREATE TABLE was_` + table + ` AS TABLE ` + table)
	}
}

// back puts the state back that was kept. later has the turn counted on, as if
// somebody had gone on from there.
func (b *turnedBack) back(later bool) {
	b.t.Helper()
	all := []string{`BEGIN`, `SET LOCAL session_replication_role = replica`} // no references are looked at meanwhile
	for _, table := range stateTables {
		all = append(all, `DELETE FROM `+table, `INSERT INTO `+table+` OVERRIDING SYSTEM VALUE SELECT * FROM was_`+table)
	}
	if later {
		all = append(all, `UPDATE turn SET n = n + 1000`)
	}
	b.do(strings.Join(append(all, `COMMIT`), "; "))
}

func backAt(t *testing.T, dir string) *turnedBack {
	t.Helper()
	b := &turnedBack{t: t, place: Place(dir), db: administrator(t, Place(dir))}
	b.db.SetMaxOpenConns(1)
	return b
}

func topUp(t *testing.T, l *Ledger, times int) {
	t.Helper()
	for range times {
		if _, err := l.TopUpAgent(t.Context(), "x", 1); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFleetNoticesATrailThatWasCutOff: a gateway that runs and has seen a later
// end notices, whether it has something to do or not, and whether others went on
// from there; so do its home, its audit and verify.py. Who has seen nothing later
// does not.
func TestFleetNoticesATrailThatWasCutOff(t *testing.T) {
	onServer(t)
	for name, c := range map[string]struct{ later, grown, idle bool }{
		"the end is cut off":                           {},
		"and the turn counted on":                      {later: true},
		"and others have gone on":                      {later: true, grown: true},
		"and the gateway has nothing to do":            {idle: true},
		"others have gone on and it has nothing to do": {later: true, grown: true, idle: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, home := t.TempDir(), t.TempDir()
			l, err := Open(t.Context(), Options{Path: Place(dir), Home: home, lease: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			defer closed(t, l)
			agentOn(t, l, "x")
			b := backAt(t, dir)
			b.keep()
			topUp(t, l, 3)
			if err := l.head.readAndWrite(l.read); err != nil {
				t.Fatal(err)
			}
			b.back(c.later)
			fresh := Options{Path: Place(dir), Home: t.TempDir(), lease: time.Hour}
			if c.grown {
				other, err := Open(t.Context(), fresh)
				if err != nil {
					t.Fatal(err)
				}
				topUp(t, other, 9)
				audited(t, other) // it has seen nothing else
				closed(t, other)
			}
			if !c.idle {
				if _, _, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 10, Most: 10}); !errors.Is(err, ErrBroken) || !errors.Is(err, ErrCorrupt) {
					t.Errorf("it goes on: %v", err)
				}
			}
			select {
			case <-l.Broken():
			case <-time.After(time.Minute):
				t.Fatal("it did not notice")
			}
			b.noticedAt(home, fresh)
		})
	}
}

// noticedAt: by what lies at home, and not by what does not.
func (b *turnedBack) noticedAt(home string, fresh Options) {
	t := b.t
	t.Helper()
	if _, err := Open(t.Context(), Options{Path: b.place, Home: home}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("its home opens it: %v", err)
	}
	looking, err := OpenReadOnly(t.Context(), Options{Path: b.place, Home: home})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, looking)
	if a, err := looking.Verify(t.Context(), nil); err != nil || !strings.HasPrefix(a.bad(), "head: ") {
		t.Errorf("its audit says %q, %v", a.bad(), err)
	}
	trail := filepath.Join(t.TempDir(), "trail")
	exported(t, looking, trail)
	if out, ok := VerifyPython(t, trail, headPath(home)); ok {
		t.Errorf("verify.py says %s", out)
	}
	if out, ok := VerifyPython(t, trail); !ok { // nobody told it what to look for
		t.Errorf("verify.py without a head says %s", out)
	}
	other, err := OpenReadOnly(t.Context(), fresh)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, other)
	audited(t, other)
}

func exported(t *testing.T, l *Ledger, path string) {
	t.Helper()
	var out bytes.Buffer
	if err := l.Export(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// VerifyPython runs docs/verify.py.
func VerifyPython(t testing.TB, args ...string) (out string, ok bool) {
	t.Helper()
	b, err := exec.Command(need.Tool(t, "python3"), append([]string{"../docs/verify.py"}, args...)...).CombinedOutput()
	if err != nil && !bytes.Contains(b, []byte("\n")) {
		t.Fatalf("%v %s", err, b)
	}
	if bytes.Contains(b, []byte("Traceback")) {
		t.Fatalf("%s", b)
	}
	return string(b), err == nil
}

// TestBeatAmongOthers: a beat that shares its group with events takes none of
// their numbers.
func TestBeatAmongOthers(t *testing.T) {
	l, _ := openInside(t)
	if err := l.commitOne(t.Context(), func(g *commitGroup) error {
		for range 3 {
			g.event("test", nil, "", nil)
			if err := beat(g); err != nil {
				return err
			}
		}
		return g.err
	}); err != nil {
		t.Fatal(err)
	}
	audited(t, l)
}
