package bound

import (
	"sync"

	"github.com/Auro-rium/aex/v3/policy"
)

// Reasons are models whose answers have shown that they make hidden output, though nothing
// that is known of them says so. From then on they are treated as such.
type Reasons struct {
	mu     sync.RWMutex
	models map[[2]string]bool // base URL and name as sent
}

// maxReasons bounds what is kept: names come from outside.
const maxReasons = 1024

// Has tells whether a model is one of them.
func (k *Reasons) Has(m policy.Model) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.models[[2]string{m.Provider.BaseURL, m.Sent}]
}

// Add makes it one.
func (k *Reasons) Add(m policy.Model) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.models == nil {
		k.models = map[[2]string]bool{}
	}
	if len(k.models) < maxReasons {
		k.models[[2]string{m.Provider.BaseURL, m.Sent}] = true
	}
}
