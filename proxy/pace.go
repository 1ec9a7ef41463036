package proxy

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// A client whose call holds some of the memory that calls share has to go on
// sending, and reading. What each call has for itself is not counted, so that small
// calls may be as slow as they like.
const (
	uploadGrace = 30 * time.Second // for a body to come, however small
	uploadRate  = 32 << 10         // and a second more for each so many bytes of it
	readWithin  = 10 * time.Minute // in which a client reads some of its answer
)

// upload is a request's body that has to keep a pace for as long as the call
// holds shared memory.
type upload struct {
	from    io.Reader
	control *http.ResponseController
	share   *share
	began   time.Time
	came    int64
}

func (c *call) upload() *upload {
	return &upload{from: c.r.Body, control: http.NewResponseController(c.w), share: &c.memory, began: time.Now()}
}

func (u *upload) Read(p []byte) (int, error) {
	if u.share.has > 0 {
		until := u.began.Add(cmp.Or(u.share.of.grace, uploadGrace) + time.Duration(u.came)*time.Second/uploadRate)
		_ = u.control.SetReadDeadline(until) // net/http takes it away when the body is whole
	}
	n, err := u.from.Read(p)
	u.came += int64(n)
	return n, err
}

// tooSlow refuses a body that did not keep its pace.
func tooSlow() error {
	return refusal.New("request_too_slow", "the request's body came too slowly: others need the memory that it holds; send it again")
}

func isLate(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// hurry has a client read within a while, where what is written to it holds up
// memory that calls share.
func (c *call) hurry() {
	if c.memory.has == 0 {
		return
	}
	c.hurried = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(cmp.Or(c.memory.of.patience, readWithin))) == nil
}

// unhurried has the end of an answer wait as long as it takes: it may come long
// after the last bytes, and holds up no memory.
func (c *call) unhurried() {
	if c.hurried {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{}) // a connection that is gone has none
	}
}
