package policy

import (
	"strings"
	"sync"
)

// resolved keeps the answers of Resolve: a registry never changes, and agents
// ask for few models, again and again.
type resolved struct {
	mu     sync.RWMutex
	models map[asked]Model
}

type asked struct {
	wire, name string
	at         string // the provider that the path names
}

// Bounds of what is kept: names come from outside.
const (
	resolvedMax     = 256
	resolvedNameMax = 256
)

func (k *resolved) find(q asked) (Model, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	m, found := k.models[q]
	return m, found
}

func (k *resolved) keep(q asked, m Model) {
	if len(q.name) > resolvedNameMax {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.models == nil || len(k.models) >= resolvedMax {
		k.models = make(map[asked]Model)
	}
	q.name = strings.Clone(q.name) // it may be a part of something long
	k.models[q] = m
}
