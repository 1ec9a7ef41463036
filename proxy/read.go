package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/proxy/memory"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
	"github.com/klauspost/compress/zstd"
)

// MaxBody bounds a request's body, encoded and decoded.
const MaxBody = 64 << 20

// maxWindow bounds what a zstd decoder holds. Encoders do not use more unless they are
// told to.
const maxWindow = 8 << 20

// read is the second step: it reads what the request asks for.
func (c *call) read(ctx context.Context) error {
	body, err := c.readBody(ctx)
	if err != nil {
		return err
	}
	said := body // the body as JSON
	if c.route.wire.Form && wire.IsForm(c.r) {
		if said, err = wire.FormDoc(c.r.Header.Values("Content-Type"), body); err != nil {
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
	c.asked.BodyBytes = int64(len(said)) // of a form without its files, which are bounded by themselves
	return err
}

// readBody reads a whole body, decoded. It never reads more than the bound
// and never takes a part for the whole.
func (c *call) readBody(ctx context.Context) ([]byte, error) {
	in, err := c.decoder(c.memory.Upload(c.w, c.r.Body))
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if n := c.r.ContentLength; n > 0 && n <= MaxBody {
		// Memory for the length that is announced is waited for before anything is
		// read. The length is not believed: what is read is what counts.
		if err := c.memory.Grow(ctx, memory.BodyCost*n); err != nil {
			return nil, c.noMemory(err)
		}
		buf.Grow(int(min(n, memory.Unshared)) + bytes.MinRead)
	}
	err = c.memory.Fill(ctx, in, &buf, MaxBody)
	switch {
	case buf.Len() > MaxBody:
		return nil, c.beyondMax()
	case errors.Is(err, memory.ErrNone), errors.Is(err, memory.ErrBeyond):
		return nil, c.noMemory(err)
	case memory.TooSlow(err):
		return nil, refusal.New("request_too_slow", "the request's body came too slowly: others need the memory that it holds; send it again")
	case errors.Is(err, memory.ErrCompressed):
		return nil, refusal.New("request_too_large", "the request's body is refused: %v", err)
	case err != nil:
		return nil, refusal.New("invalid_request", "the request's body ended early or is damaged: %v", err)
	}
	return buf.Bytes(), nil
}

// noMemory refuses a body for which there is no memory: for now, or at all.
func (c *call) noMemory(err error) error {
	c.drain()
	if errors.Is(err, memory.ErrBeyond) {
		return refusal.New("request_too_large", "the request's body cannot be held: %v", err)
	}
	f := refusal.New("gateway_busy", "the request's body cannot be held now: %v; try again", err)
	f.RetryAfter = time.Second
	return f
}

func (c *call) beyondMax() error {
	c.drain()
	return refusal.New("request_too_large", "the request is larger than %d MiB", MaxBody>>20)
}

// drain gives the memory back and reads on for a while: a client that is still
// writing when its connection closes sees a reset instead of the answer.
func (c *call) drain() {
	c.memory.Release()
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(memory.UploadGrace)) // a connection that is gone has none
	_, _ = io.CopyN(io.Discard, c.r.Body, MaxBody)
}

// decoder undoes the Content-Encoding: the price depends on what is inside.
func (c *call) decoder(up io.Reader) (io.Reader, error) {
	if c.r.ContentLength > MaxBody {
		return nil, c.beyondMax()
	}
	limited := io.LimitReader(up, MaxBody+1)
	switch strings.ToLower(strings.TrimSpace(c.r.Header.Get("Content-Encoding"))) {
	case "", "identity":
		return limited, nil
	case "gzip", "x-gzip":
		packed := memory.Pack(limited)
		z, err := gzip.NewReader(packed)
		if err != nil {
			return nil, refusal.New("invalid_request", "the body is not gzip as its Content-Encoding says: %v", err)
		}
		return packed.Unpacked(z), nil
	case "zstd":
		packed := memory.Pack(limited)
		z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBody), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, refusal.New("invalid_request", "the body is not zstd as its Content-Encoding says: %v", err)
		}
		return packed.Unpacked(closeAtEnd{z}), nil
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
