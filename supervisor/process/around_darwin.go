package process

// Around is not known here: whoever removes a run's variables has left it.
func Around() (environ []string, below bool) { return nil, false }
