package memory

import (
	"runtime"
	"testing"
)

// The collector rests while a gateway makes garbage of half its slack.
func TestSlackSparesCollections(t *testing.T) {
	m := New(Default, 0, 0)
	m.Share()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range slackSize / 2 / 4096 {
		garbage = make([]byte, 4096)
	}
	runtime.ReadMemStats(&after)
	if after.NumGC != before.NumGC {
		t.Errorf("%d collections", after.NumGC-before.NumGC)
	}
	runtime.KeepAlive(m)
}

var garbage []byte
