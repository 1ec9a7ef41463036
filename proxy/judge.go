package proxy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// maxAnswer bounds the part of an answer that is kept for its usage. What is
// larger is relayed all the same, and its hold booked, unless it has to be
// judged or changed before the client may see it: then it is refused.
const maxAnswer = 128 << 20

var (
	errUnjudged = errors.New("it is too large to be judged by the agent's policy")
	errDenied   = errors.New("the answer called a tool that the policy denies")
)

// keep adds p to what is kept of an answer, or says why it cannot. asked is the memory
// that the call has already asked for.
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

// refuseUnjudged answers for a whole answer that cannot be judged.
func (rl *relay) refuseUnjudged(resp *http.Response, why error) ending {
	rl.cancel(why)
	clear(rl.w.Header())
	rl.refuse(refusal.New("answer_too_large", "the answer of model %s is kept back: %v", plain.Clip(rl.asked.Model, 80), why))
	return ending{row: rowCut, resp: resp, err: why, closed: true}
}

// tooLarge is an error where the event that is coming has grown too large to be held or,
// where answers are judged, too large to be judged.
func (rl *relay) tooLarge(asked int64) error {
	if rl.split.Over() && (rl.watched || rl.edit.Masked != "") {
		return errUnjudged
	}
	return rl.memory.Grow(rl.g.ctx, asked+int64(len(rl.split.Buf)))
}

// forbidden is the name of a tool that the answer calls against the policy, "" for none.
// Where a policy goes by names, a tool without a name is denied.
func (rl *relay) forbidden() string {
	if !rl.watched {
		return ""
	}
	for _, name := range rl.reading.Tools[rl.judged:] {
		for _, cp := range rl.policies {
			if !policy.AllowsToolCall(cp, name) {
				return cmp.Or(rl.keyless(name), "(unnamed)")
			}
		}
	}
	rl.judged = len(rl.reading.Tools)
	return ""
}

// objection is why the client must not see an answer, nil where it may: it calls a tool
// that the policy denies, or the client might read other tool calls in it than aex does.
func (rl *relay) objection() *refusal.Refusal {
	if tool := rl.forbidden(); tool != "" {
		return refusal.New("policy_denied", "agent %s: the answer called the tool %q, which its policy denies", rl.id.Agent, plain.Clip(tool, 80))
	}
	if why := rl.reading.Doubt; rl.watched && why != nil {
		return refusal.New("policy_denied", "agent %s: its policy denies tools, and which the answer calls is not certain: %v", rl.id.Agent, why)
	}
	return nil
}

// foreign is why an answer cannot be read as text here, nil where it can.
func foreign(resp *http.Response, charset string) error {
	packed := resp.Header.Get("Content-Encoding")
	switch {
	case packed != "" && !strings.EqualFold(packed, "identity"):
		return fmt.Errorf("it is packed as %s", plain.Clip(packed, 40))
	case charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") && !strings.EqualFold(charset, "us-ascii"):
		return fmt.Errorf("its charset is %s", plain.Clip(charset, 40))
	}
	return nil
}

// deny answers for a whole answer that the client must not see.
func (rl *relay) deny(why *refusal.Refusal) {
	clear(rl.w.Header())
	rl.trail(why)
	rl.refuse(why)
}

// cutDenied ends a stream of which the client must not see more.
func (rl *relay) cutDenied(resp *http.Response, why *refusal.Refusal) ending {
	rl.cancel(errDenied)
	rl.trail(why)
	return ending{row: rowDeniedTool, resp: resp, err: errDenied, abort: true, closed: true}
}
