package ledger

import "testing"

func TestMountsAreTold(t *testing.T) {
	for path, is := range map[string]bool{"/proc": true, t.TempDir(): false} {
		if isMount(path) != is || mountedAt(path) != is {
			t.Errorf("%s: %t, and by the list of mounts %t", path, isMount(path), mountedAt(path))
		}
	}
}
