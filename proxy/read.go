package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
	"github.com/klauspost/compress/zstd"
)

// MaxBody bounds a request's body, encoded and decoded.
const MaxBody = 64 << 20

// maxWindow bounds what a zstd decoder holds; encoders use up to this without
// being told to use more.
const maxWindow = 8 << 20

// read is the second step: it reads what the request asks for.
func (c *call) read(ctx context.Context) error {
	body, err := c.readBody(ctx)
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

// readBody reads a whole body, decoded. It never reads more than the bound
// and never takes a part for the whole.
func (c *call) readBody(ctx context.Context) ([]byte, error) {
	up := c.upload()
	in, err := c.decoder(up)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if n := c.r.ContentLength; n > 0 && n <= MaxBody {
		// What it says is waited for before it is read. It is not believed: what
		// is read is what counts.
		if err := c.memory.grow(ctx, bodyCost*n); err != nil {
			return nil, c.noMemory(up, err)
		}
		buf.Grow(int(min(n, unshared)) + bytes.MinRead)
	}
	err = c.memory.fill(ctx, in, &buf)
	switch {
	case buf.Len() > MaxBody:
		return nil, c.beyondMax(up)
	case errors.Is(err, errNoMemory), errors.Is(err, errBeyond):
		return nil, c.noMemory(up, err)
	case isLate(err):
		return nil, tooSlow()
	case errors.Is(err, errCompressed):
		return nil, refusal.New("request_too_large", "the request's body is refused: %v", err)
	case err != nil:
		return nil, refusal.New("invalid_request", "the request's body ended early or is damaged: %v", err)
	}
	return buf.Bytes(), nil
}

// noMemory refuses a body for which there is none: for now, or for good.
func (c *call) noMemory(up *upload, err error) error {
	c.drain(up)
	if errors.Is(err, errBeyond) {
		return refusal.New("request_too_large", "the request's body cannot be held: %v", err)
	}
	f := refusal.New("gateway_busy", "the request's body cannot be held now: %v; try again", err)
	f.RetryAfter = time.Second
	return f
}

func (c *call) beyondMax(up *upload) error {
	c.drain(up)
	return refusal.New("request_too_large", "the request is larger than %d MiB", MaxBody>>20)
}

// drain gives the memory back and reads on for a while: a client that is still
// writing when its connection closes sees a reset instead of the answer.
func (c *call) drain(up *upload) {
	c.memory.release()
	_ = up.control.SetReadDeadline(time.Now().Add(uploadGrace)) // a connection that is gone has none
	_, _ = io.CopyN(io.Discard, c.r.Body, MaxBody)
}

// decoder undoes the Content-Encoding: the price depends on what is inside.
func (c *call) decoder(up *upload) (io.Reader, error) {
	if c.r.ContentLength > MaxBody {
		return nil, c.beyondMax(up)
	}
	limited := io.LimitReader(up, MaxBody+1)
	switch strings.ToLower(strings.TrimSpace(c.r.Header.Get("Content-Encoding"))) {
	case "", "identity":
		return limited, nil
	case "gzip", "x-gzip":
		out := &ratio{from: counted{Reader: limited}}
		z, err := gzip.NewReader(&out.from)
		if err != nil {
			return nil, refusal.New("invalid_request", "the body is not gzip as its Content-Encoding says: %v", err)
		}
		out.to = z
		return out, nil
	case "zstd":
		out := &ratio{from: counted{Reader: limited}}
		z, err := zstd.NewReader(&out.from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBody), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, refusal.New("invalid_request", "the body is not zstd as its Content-Encoding says: %v", err)
		}
		out.to = closeAtEnd{z}
		return out, nil
	default:
		return nil, refusal.New("unsupported_encoding", "the Content-Encoding is not supported; send the body plain, gzip or zstd")
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
