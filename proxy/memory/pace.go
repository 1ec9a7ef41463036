package memory

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// A client whose call holds some of the memory that calls share has to go on
// sending, and reading. What each call has for itself is not counted, so that small
// calls may be as slow as they like.
const (
	UploadGrace = 30 * time.Second // for a body to come, however small
	uploadRate  = 32 << 10         // and a second more for each so many bytes of it
	readWithin  = 10 * time.Minute // in which a client reads some of its answer
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

// Hurry has a client read within a while, where what is written to it holds up
// memory that calls share.
func (s *Share) Hurry(w http.ResponseWriter) {
	if s.has == 0 {
		return
	}
	s.hurried = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(cmp.Or(s.of.patience, readWithin))) == nil
}

// Unhurry has the end of an answer wait as long as it takes: it may come long
// after the last bytes, and holds up no memory.
func (s *Share) Unhurry(w http.ResponseWriter) {
	if s.hurried {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a connection that is gone has none
	}
}
