package proxy

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/Auro-rium/aex/v3/proxy/wire"
	"github.com/klauspost/compress/zstd"
)

// maxBody bounds a request's body, encoded and decoded.
const maxBody = 64 << 20

// readBody reads a whole body, decoded. It never reads more than the bound
// and never takes a part for the whole.
func readBody(r *http.Request) ([]byte, error) {
	in, err := decoder(r)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= maxBody {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(in, maxBody+1))
	switch {
	case n > maxBody:
		return nil, tooLarge(r)
	case err != nil:
		return nil, refusef("invalid_request", "the request's body ended early or is damaged: %v", err)
	}
	return buf.Bytes(), nil
}

// tooLarge reads on for a while: a client that is still writing when its
// connection closes sees a reset instead of the answer.
func tooLarge(r *http.Request) error {
	_, _ = io.CopyN(io.Discard, r.Body, maxBody)
	return refusef("request_too_large", "the request is larger than %d MiB", maxBody>>20)
}

// decoder undoes the Content-Encoding: the price depends on what is inside.
func decoder(r *http.Request) (io.Reader, error) {
	if r.ContentLength > maxBody {
		return nil, tooLarge(r)
	}
	limited := io.LimitReader(r.Body, maxBody+1)
	switch strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))) {
	case "", "identity":
		return limited, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(limited)
		if err != nil {
			return nil, refusef("invalid_request", "the body is not gzip as its Content-Encoding says: %v", err)
		}
		return z, nil
	case "zstd":
		z, err := zstd.NewReader(limited, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBody), zstd.WithDecoderMaxWindow(maxBody))
		if err != nil {
			return nil, refusef("invalid_request", "the body is not zstd as its Content-Encoding says: %v", err)
		}
		return closeAtEnd{z}, nil
	default:
		return nil, refusef("unsupported_encoding", "the Content-Encoding is not supported; send the body plain, gzip or zstd")
	}
}

// closeAtEnd gives a zstd decoder's memory back with its last byte.
type closeAtEnd struct{ *zstd.Decoder }

func (c closeAtEnd) Read(p []byte) (int, error) {
	n, err := c.Decoder.Read(p)
	if err != nil {
		c.Close()
	}
	return n, err
}

// read is the second step: what the request asks for.
func (c *call) read() error {
	body, err := readBody(c.r)
	if err != nil {
		return err
	}
	said := body
	if c.route.wire.Form && strings.HasPrefix(c.r.Header.Get("Content-Type"), "multipart/") {
		if said, err = wire.FormDoc(c.r.Header.Get("Content-Type"), body); err != nil {
			return err
		}
		c.form = body
	}
	doc, err := wire.Parse(said)
	if err != nil {
		return err
	}
	var first error
	c.body = doc.Object(&first)
	if c.body.Kind() != '{' {
		return errors.New("the body is not a JSON object")
	}
	err = c.readAsked()
	c.asked.BodyBytes = int64(len(body))
	if c.form != nil && len(c.asked.Audio) == 0 { // files of another kind are bounded apart
		c.asked.BodyBytes = int64(len(said))
	}
	return err
}

// readAsked reads what the body asks for. An Azure path names the model.
func (c *call) readAsked() (err error) {
	c.asked, err = c.route.wire.Read(c.r, c.body, c.route.rest)
	if c.route.deployment != "" {
		c.asked.Model = c.route.deployment
	}
	return err
}
