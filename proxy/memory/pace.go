package memory

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// A client whose call holds some of the shared memory has to keep sending, and reading. The
// bytes that each call has for itself do not count, so that small calls may be as slow as
// they like.
const (
	UploadGrace = 30 * time.Second // the time that any body may take
	uploadRate  = 32 << 10         // it may take a second more for each so many bytes
	readWithin  = 10 * time.Minute // in this time a client must read some of its answer
)

// upload is a request's body that has to keep a pace for as long as the call
// holds shared memory.
type upload struct {
	from    io.Reader
	control *http.ResponseController
	share   *Share
	began   time.Time
	came    int64
}

// Upload is the body of a request that w answers.
func (s *Share) Upload(w http.ResponseWriter, body io.Reader) io.Reader {
	return &upload{from: body, control: http.NewResponseController(w), share: s, began: time.Now()}
}

func (u *upload) Read(p []byte) (int, error) {
	if u.share.has > 0 {
		until := u.began.Add(cmp.Or(u.share.of.grace, UploadGrace) + time.Duration(u.came)*time.Second/uploadRate)
		_ = u.control.SetReadDeadline(until) // net/http takes it away when the body is whole
	}
	n, err := u.from.Read(p)
	u.came += int64(n)
	return n, err
}

// TooSlow tells whether an upload failed because it did not keep its pace.
func TooSlow(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// Hurry sets the time within which the client must read, if its answer holds up shared
// memory.
func (s *Share) Hurry(w http.ResponseWriter) {
	if s.has == 0 {
		return
	}
	s.hurried = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(cmp.Or(s.of.patience, readWithin))) == nil
}

// Unhurry takes that limit off for the end of an answer, which may come long after the last
// bytes and holds up no memory.
func (s *Share) Unhurry(w http.ResponseWriter) {
	if s.hurried {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a connection that is gone has none
	}
}
