package ledger

import (
	"strings"
	"testing"
	"time"
)

// TestServerStateJudges: each thing that is not as it should be is told, and
// nothing else is.
func TestServerStateJudges(t *testing.T) {
	well := serverFacts{
		tables: serverSchema, fsync: "on", pages: "on", checksums: "on", vacuum: "on", standbys: "s1", connected: 1, archive: "on",
		sessions: 10, sessionsMost: 100, tls: "TLSv1.3", remote: true, user: "gate1", mayBook: true,
	}
	for says, change := range map[string]func(f *serverFacts){
		"":                                func(*serverFacts) {},
		"tables are of version 0":         func(f *serverFacts) { f.tables = 0 },
		"fsync is off":                    func(f *serverFacts) { f.fsync = "off" },
		"full_page_writes off":            func(f *serverFacts) { f.pages = "off" },
		"autovacuum is off":               func(f *serverFacts) { f.vacuum = "off" },
		"autovacuum leaves out turn":      func(f *serverFacts) { f.unvacuumed = "turn" },
		"100001 dead versions":            func(f *serverFacts) { f.dead = deadMost + 1 },
		"70000 KiB for those":             func(f *serverFacts) { f.hotBytes = 70000 << 10 },
		"transaction began 1m1s ago":      func(f *serverFacts) { f.oldest = openMost + time.Second },
		"its clock is 6s ahead":           func(f *serverFacts) { f.ahead = 6 * time.Second },
		"its clock is -6s ahead":          func(f *serverFacts) { f.ahead = -6 * time.Second },
		"81 of 100 connections":           func(f *serverFacts) { f.sessions = 81 },
		"synchronous standbys: s1; 0":     func(f *serverFacts) { f.connected = 0 },
		"its log is archived":             func(f *serverFacts) { f.archiveFails = true },
		"the connection is not encrypted": func(f *serverFacts) { f.tls = "" },
		"nobody has verified":             func(f *serverFacts) { f.unverified = true },
		"user gate1 may do everything":    func(f *serverFacts) { f.superuser = true },
	} {
		f := well
		change(&f)
		var wrong []string
		for _, finding := range f.judge() {
			if finding.Wrong {
				wrong = append(wrong, finding.Says)
			}
		}
		if says == "" && len(wrong) > 0 || says != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], says)) {
			t.Errorf("for %q it says %q", says, wrong)
		}
	}
}

// TestServerStateIsRead from a real server.
func TestServerStateIsRead(t *testing.T) {
	onServer(t)
	dir := t.TempDir()
	l := gatewayAt(t, dir, time.Hour)
	execOnServer(t, Place(dir), `ALTER TABLE turn SET (autovacuum_enabled = false); UPDATE ledger SET version = 1`)
	var f serverFacts
	if err := f.read(t.Context(), l.read); err != nil {
		t.Fatal(err)
	}
	if f.fsync != "on" || f.vacuum != "on" || f.unvacuumed != "turn" || f.tables != 1 || !f.superuser || !f.owner || !f.mayBook || f.hotBytes == 0 ||
		f.sessions < 1 || f.sessionsMost < 10 || f.ahead.Abs() > time.Second || f.tls != "" || f.archive != "off" {
		t.Errorf("%+v", f)
	}
}
