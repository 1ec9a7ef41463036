package wire

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// Sound is billed by the time that it lasts, and silence can be compressed a hundredfold.
// So its bytes only bound it in a format whose headers say how long each stretch of
// bytes lasts: uncompressed WAV, and MP3, which is read frame by frame to its end. In
// other formats the length is not known.

// audioOf describes sound given as base64 text; anything else has to be fetched
// by the provider. format is its MIME type or the bare name of its format.
func audioOf(data Span, format string) policy.Media {
	if data.Kind() != '"' {
		return policy.Media{Type: plain.Clip(format, 80), Remote: true}
	}
	raw := data.raw()
	b64 := raw[1 : len(raw)-1]
	if bytes.IndexByte(b64, '\\') >= 0 {
		b64 = []byte(data.Text())
	}
	size := int64(len(b64)) * 3 / 4
	in := base64.NewDecoder(base64.StdEncoding, bytes.NewReader(b64))
	return policy.Media{Bytes: size, Type: plain.Clip(format, 80), Millis: soundMillis(in, size, format)}
}

// soundMillis is how long sound of so many bytes lasts at most; 0 where that is
// not known. Its name and its content must both say the same format: a provider may go by
// either.
func soundMillis(in io.Reader, size int64, format string) int64 {
	name := strings.ToLower(format)
	if _, sub, mime := strings.Cut(name, "/"); mime {
		name = strings.TrimPrefix(sub, "x-")
	}
	r := bufio.NewReader(in)
	switch name {
	case "wav", "wave", "vnd.wave":
		return wavMillis(r, size)
	case "mp3", "mpeg", "mpga":
		return mp3Millis(r)
	}
	return 0
}

// maxChunks bounds the chunks of a WAV before its data.
const maxChunks = 64

// wavMillis reads a WAV up to its data, and takes all its bytes for data.
func wavMillis(r *bufio.Reader, size int64) int64 {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return 0
	}
	rate := int64(0) // bytes a second
	for range maxChunks {
		var chunk [8]byte
		if _, err := io.ReadFull(r, chunk[:]); err != nil {
			return 0
		}
		length := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch name := string(chunk[:4]); {
		case name == "data" && rate > 0:
			return size*1000/rate + 1
		case name == "data", length > 1<<20, name == "fmt " && (rate > 0 || length < 16):
			return 0
		case name == "fmt ":
			said := make([]byte, length)
			if _, err := io.ReadFull(r, said); err != nil {
				return 0
			}
			if rate = wavRate(said); rate == 0 {
				return 0
			}
		default:
			if _, err := r.Discard(int(length)); err != nil {
				return 0
			}
		}
		if length%2 == 1 {
			if _, err := r.Discard(1); err != nil {
				return 0
			}
		}
	}
	return 0
}

// pcmGUID is what stands behind the format's number in an extensible header.
const pcmGUID = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"

// wavRate is how many bytes of data last a second, by a format header; 0 where the data is
// compressed. It goes by the size and rate of the samples, not by the header's own figure.
func wavRate(said []byte) int64 {
	number := func(at int) int64 { return int64(binary.LittleEndian.Uint16(said[at:])) }
	kind, channels, bits := number(0), number(2), number(14)
	if kind == 0xfffe {
		if len(said) < 40 || string(said[26:40]) != pcmGUID {
			return 0
		}
		kind = number(24)
	}
	const pcm, float, aLaw, muLaw = 1, 3, 6, 7
	switch {
	case kind != pcm && kind != float && kind != aLaw && kind != muLaw:
		return 0
	case bits == 0 || bits%8 != 0 || bits > 64 || channels == 0 || channels > 64, number(12) != channels*bits/8:
		return 0
	}
	return int64(binary.LittleEndian.Uint32(said[4:])) * channels * bits / 8
}

// What the header of a frame of MPEG layer III says: kbit/s in MPEG-1 (mp3Bits) and in
// MPEG-2 and 2.5 (mp3Lower), and samples a second in MPEG-1 (mp3Rates); MPEG-2 has half of
// that, MPEG-2.5 a quarter.
var (
	mp3Bits  = [...]int64{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0}
	mp3Lower = [...]int64{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0}
	mp3Rates = [...]int64{44_100, 48_000, 32_000, 0}
)

// mp3Millis adds up the frames of an MP3. It is 0 where something is no frame, or is one
// without a bit rate: some decoders skip that, and others play it.
func mp3Millis(r *bufio.Reader) int64 {
	if head, err := r.Peek(10); err == nil && string(head[:3]) == "ID3" {
		length := 10 + (int(head[6]&0x7f)<<21 | int(head[7]&0x7f)<<14 | int(head[8]&0x7f)<<7 | int(head[9]&0x7f))
		if head[5]&0x10 != 0 {
			length += 10
		}
		if _, err := r.Discard(length); err != nil {
			return 0
		}
	}
	micros := int64(0)
	for {
		head, err := r.Peek(4)
		if len(head) == 0 && err == io.EOF {
			return micros / 1000
		}
		if len(head) >= 3 && string(head[:3]) == "TAG" { // of ID3v1: nothing comes after it
			n, err := io.Copy(io.Discard, io.LimitReader(r, 129))
			if n > 128 || err != nil {
				return 0
			}
			return micros / 1000
		}
		if len(head) < 4 {
			return 0
		}
		length, lasts := mp3Frame(binary.BigEndian.Uint32(head))
		if length == 0 {
			return 0
		}
		micros += lasts
		if n, err := r.Discard(length); err != nil && (err != io.EOF || n < 4) {
			return 0
		}
	}
}

// mp3Frame is the length of a frame in bytes, and how many microseconds it lasts; 0 where
// head is no header of layer III that says both.
func mp3Frame(head uint32) (length int, micros int64) {
	const layer3, mpeg1, mpeg25 = 1, 3, 0
	version, rate := head>>19&3, mp3Rates[head>>10&3]
	if head>>21 != 0x7ff || version == 1 || head>>17&3 != layer3 || rate == 0 {
		return 0, 0
	}
	samples, bits := int64(1152), mp3Bits[head>>12&15]
	if version != mpeg1 {
		samples, bits, rate = 576, mp3Lower[head>>12&15], rate/2
	}
	if version == mpeg25 {
		rate /= 2
	}
	if bits == 0 {
		return 0, 0
	}
	return int(samples/8*bits*1000/rate + int64(head>>9&1)), samples*1_000_000/rate + 1
}
