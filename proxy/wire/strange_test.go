package wire

import (
	"strings"
	"testing"
)

// A name is among a set in every form in which a JSON reader may take it for one of its names.
func TestAmong(t *testing.T) {
	for name, want := range map[string]bool{
		"fallbacks": true, "Fall_Backs": true, "_FALLBACKS_": true, "fallbac\u212as": true, "context_window_fallbacks": true,
		"fall": false, "fallbacksx": false, "": false, "fällbacks": false, strings.Repeat("_", 100) + "route": true, "route" + strings.Repeat("x", 100): false,
	} {
		if got := among(elsewhere, name); got != want || got != elsewhere[bare(name)] {
			t.Errorf("%q: %v", name, got)
		}
	}
	for _, set := range []map[string]bool{elsewhere, carriers} {
		for name := range set {
			if !among(set, strings.ToUpper(name)) {
				t.Errorf("%s is not among its own set", name)
			}
		}
	}
}
