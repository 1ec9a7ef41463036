package wire

import (
	"bytes"
	"encoding/base64"
	"image"
	_ "image/gif"  // sizes of images in requests
	_ "image/jpeg" // likewise
	_ "image/png"  // likewise
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// imageOf describes an image given as a URL: its size where the bytes are in
// the request, else that it is remote.
func imageOf(url Span, detail string) policy.Image {
	const marker = ";base64,"
	raw := url.raw()
	i := bytes.Index(raw[:min(len(raw), 200)], []byte(marker))
	if !bytes.HasPrefix(raw, []byte(`"data:`)) || i < 0 {
		return policy.Image{Detail: detail, Remote: true}
	}
	return imageBytes(raw[i+len(marker):len(raw)-1], detail)
}

// imageBytes reads the size out of the beginning of base64 text. A size of 0
// means that it could not be read.
func imageBytes(b64 []byte, detail string) policy.Image {
	img := policy.Image{Detail: detail, Bytes: int64(len(b64)) * 3 / 4}
	head := b64[:min(len(b64), 1<<20)]
	clean := strings.NewReplacer(`\/`, `/`, `\n`, "", `\r`, "").Replace(string(head))
	r := base64.NewDecoder(base64.StdEncoding, strings.NewReader(clean))
	if cfg, _, err := image.DecodeConfig(r); err == nil {
		img.Width, img.Height = cfg.Width, cfg.Height
	}
	return img
}

// storedImage is an image whose base64 text is v. Where that is missing, the provider has
// to fetch the image.
func storedImage(v Span) policy.Image {
	if v.Kind() != '"' {
		return policy.Image{Remote: true}
	}
	raw := v.raw()
	return imageBytes(raw[1:len(raw)-1], "")
}

// fileOf describes a file given as a data URL or as base64 text; anything else
// has to be fetched by the provider. A file is text only if it looks like text, whatever
// it is called, since a provider may go by the content: a PDF puts more before the model
// than its bytes tell.
func fileOf(data Span) policy.Media {
	if data.Kind() != '"' {
		return policy.Media{Remote: true}
	}
	raw := data.raw()
	b64, kind := raw[1:len(raw)-1], ""
	const scheme, marker = "data:", ";base64,"
	if i := bytes.Index(b64[:min(len(b64), 200)], []byte(marker)); i > 0 && bytes.HasPrefix(b64, []byte(scheme)) {
		b64, kind = b64[i+len(marker):], string(b64[len(scheme):i])
	}
	first := make([]byte, 1024)
	n, _ := base64.NewDecoder(base64.StdEncoding, bytes.NewReader(b64)).Read(first)
	if first = first[:n]; bytes.IndexByte(first, 0) >= 0 || bytes.Contains(first, []byte("%PDF")) || bytes.HasPrefix(first, []byte("PK")) {
		kind = "application/octet-stream"
	}
	return policy.Media{Bytes: int64(len(b64)) * 3 / 4, Type: plain.Clip(kind, 80)}
}

// base64Len bounds the decoded size of a base64 string.
func base64Len(s Span) int64 { return int64(s.textLen()) * 3 / 4 }

// unknown lists the members whose names are not in known.
func (o Object) unknown(known map[string]bool) (names []string) {
	for _, m := range o.members {
		if !known[m.name] {
			names = append(names, m.name)
		}
	}
	return names
}
