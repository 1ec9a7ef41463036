package ledger

// isMount has nothing to look for: macOS mounts directories only.
func isMount(string) bool { return false }
