package memory

import "io"

const (
	ratioMax  = 100     // bytes that decompression may make of one
	ratioFree = 1 << 20 // bytes that it may make in any case
)

// Packed counts what a decompressor reads.
type Packed struct {
	from io.Reader
	n    int64
}

// Pack counts what is read of from.
func Pack(from io.Reader) *Packed { return &Packed{from: from} }

func (p *Packed) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	p.n += int64(n)
	return n, err
}

// Unpacked is what a decompressor makes of p, within bounds.
func (p *Packed) Unpacked(made io.Reader) io.Reader { return &ratio{from: p, to: made} }

// ratio bounds what a decompressor makes of what it reads.
type ratio struct {
	from *Packed
	to   io.Reader
	made int64
}

func (r *ratio) Read(p []byte) (int, error) {
	n, err := r.to.Read(p)
	if r.made += int64(n); r.made > ratioFree+ratioMax*r.from.n {
		return 0, ErrCompressed
	}
	return n, err
}
