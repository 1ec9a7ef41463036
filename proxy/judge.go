package proxy

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// maxAnswer bounds the part of an answer that is kept for its usage. What is
// larger is relayed all the same, and its hold booked, unless it has to be
// judged or changed before the client may see it: then it is refused.
const maxAnswer = 128 << 20

var errUnjudged = errors.New("it is too large to be judged by the agent's policy")

// keep adds to what is kept of an answer, beside what the call has asked for
// already, and says why it cannot.
func (rl *relay) keep(kept *bytes.Buffer, p []byte, asked int64) error {
	size := int64(kept.Len() + len(p))
	if size > maxAnswer {
		return errUnjudged
	}
	if err := rl.memory.Grow(rl.g.ctx, asked+size); err != nil {
		return err
	}
	kept.Write(p)
	return nil
}

// refuseUnjudged answers for a whole answer that cannot be held to be judged.
func (rl *relay) refuseUnjudged(resp *http.Response, why error) ending {
	rl.cancel(why)
	for name := range rl.w.Header() {
		rl.w.Header().Del(name)
	}
	rl.refuse(refusal.New("answer_too_large", "the answer of model %s is kept back: %v", plain.Clip(rl.asked.Model, 80), why))
	return ending{row: "cut", resp: resp, err: why, closed: true}
}

// tooLarge tells of an event that grows beyond what can be held, and, where
// answers are judged, beyond what can be judged.
func (rl *relay) tooLarge(asked int64) error {
	if rl.split.Over() && (rl.watched || rl.edit.Masked != "") {
		return errUnjudged
	}
	return rl.memory.Grow(rl.g.ctx, asked+int64(len(rl.split.Buf)))
}

// forbidden is the name of a tool that the answer calls against the policy, ""
// for none. A tool that cannot be named is not allowed where names count.
func (rl *relay) forbidden() string {
	if !rl.watched {
		return ""
	}
	for _, name := range rl.reading.Tools[rl.judged:] {
		for _, cp := range rl.caps {
			if !policy.AllowsToolCall(cp, name) {
				return cmp.Or(rl.keyless(name), "(unnamed)")
			}
		}
	}
	rl.judged = len(rl.reading.Tools)
	return ""
}

// deny answers for a whole answer that the client must not see.
func (rl *relay) deny(tool string) {
	for name := range rl.w.Header() {
		rl.w.Header().Del(name)
	}
	f := refusal.New("policy_denied", "agent %s: the answer called the tool %q, which its policy denies", rl.id.Agent, plain.Clip(tool, 80))
	rl.trail(f)
	rl.refuse(f)
}
