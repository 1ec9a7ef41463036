package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
)

// wav is a WAV of so many bytes of data: of a kind, so many channels, samples a
// second and bits.
func wav(kind, channels uint16, rate uint32, bits uint16, data int, before ...string) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF\xff\xff\xff\xffWAVE" + strings.Join(before, ""))
	b.WriteString("fmt \x10\x00\x00\x00")
	for _, v := range []any{kind, channels, rate, uint32(1 << 30), channels * bits / 8, bits} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data\xff\xff\xff\xff")
	b.Write(make([]byte, data))
	return b.Bytes()
}

// mp3 is so many frames of a header, each of a length.
func mp3(header uint32, length, frames int) []byte {
	frame := binary.BigEndian.AppendUint32(nil, header)
	return bytes.Repeat(append(frame, make([]byte, length-4)...), frames)
}

const (
	mp3Slowest = 0xfff31800 // MPEG-2, 8 kbit/s, 16 kHz: 36 bytes for 36 ms
	mp3Usual   = 0xfffb9000 // MPEG-1, 128 kbit/s, 44.1 kHz: 417 bytes for 26 ms
	mp3Free    = 0xfff30800 // of a bit rate that is not said
)

// Sound that says how long it is, in a format whose bytes bound that, is known
// to last so long; of any other nothing is known, whatever it calls itself.
func TestSoundMillis(t *testing.T) {
	id3 := "ID3\x04\x00\x00\x00\x00\x01\x00" + strings.Repeat("\x00", 128)
	tag := "TAG" + strings.Repeat("x", 125)
	slow := mp3(mp3Slowest, 36, 100)
	for _, c := range []struct {
		name, format string
		sound        []byte
		least, most  int64
	}{
		{"a second of PCM", "wav", wav(1, 1, 16_000, 16, 32_000), 1000, 1010},
		{"by its MIME type", "audio/x-wav", wav(1, 1, 16_000, 16, 32_000), 1000, 1010},
		{"in stereo", "audio/wav", wav(1, 2, 16_000, 16, 64_000), 1000, 1010},
		{"mu-law", "wav", wav(7, 1, 8_000, 8, 8_000), 1000, 1010},
		{"a sample a second", "wav", wav(1, 1, 1, 8, 1_000), 1_000_000, 1_100_000},
		{"a chunk before it", "wav", wav(1, 1, 16_000, 16, 32_000, "LIST\x03\x00\x00\x00abc\x00"), 1000, 1010},
		{"ADPCM within a WAV", "wav", wav(2, 1, 16_000, 4, 32_000), 0, 0},
		{"MP3 within a WAV", "wav", wav(0x55, 1, 16_000, 16, 32_000), 0, 0},
		{"two formats", "wav", wav(1, 1, 16_000, 16, 9, "fmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x00\x00\x00\x02\x00\x10\x00"), 0, 0},
		{"samples that do not add up", "wav", wav(1, 1, 16_000, 12, 32_000), 0, 0},
		{"no samples a second", "wav", wav(1, 1, 0, 16, 32_000), 0, 0},
		{"a WAV called MP3", "mp3", wav(1, 1, 16_000, 16, 32_000), 0, 0},
		{"an MP3", "mp3", mp3(mp3Usual, 417, 100), 2612, 2613},
		{"the slowest MP3", "audio/mpeg", slow, 3600, 3601},
		{"with tags", "mp3", append(append([]byte(id3), slow...), tag...), 3600, 3601},
		{"cut off", "mp3", slow[:len(slow)-20], 3600, 3601},
		{"of a bit rate that is not said", "mp3", mp3(mp3Free, 36, 100), 0, 0},
		{"with a stretch that is no frame", "mp3", append(append(bytes.Clone(slow), "fLaC"...), slow...), 0, 0},
		{"more behind its last tag", "mp3", append(append(bytes.Clone(slow), tag...), slow...), 0, 0},
		{"a FLAC behind a tag", "mp3", []byte(id3 + "fLaC" + strings.Repeat("\x00", 400)), 0, 0},
		{"an MP3 called WAV", "wav", slow, 0, 0},
		{"FLAC", "flac", []byte("fLaC" + strings.Repeat("\x00", 400)), 0, 0},
		{"Ogg", "audio/ogg", []byte("OggS" + strings.Repeat("\x00", 400)), 0, 0},
		{"no samples' layout", "pcm16", make([]byte, 32_000), 0, 0},
		{"nothing", "wav", nil, 0, 0},
		{"half a header", "mp3", slow[:2], 0, 0},
	} {
		got := soundMillis(bytes.NewReader(c.sound), int64(len(c.sound)), c.format)
		if got < c.least || got > c.most {
			t.Errorf("%s: %d ms, want %d to %d", c.name, got, c.least, c.most)
		}
	}
}

// Sound in a request is known by its base64 text alone: an address is not taken
// for so many bytes of sound.
func TestAudioOf(t *testing.T) {
	pcm := base64.StdEncoding.EncodeToString(wav(1, 1, 16_000, 16, 32_000))
	for value, known := range map[string]bool{
		`"` + pcm + `"`: true, `"` + strings.ReplaceAll(pcm, "/", `\/`) + `"`: true, `"https://x.example/hour.wav"`: false, `""`: false, `null`: false, `{"id":1}`: false,
		`"!` + pcm + `"`: false,
	} {
		doc, err := Parse([]byte(value))
		if err != nil {
			t.Fatal(err)
		}
		if got := audioOf(doc, "wav"); (got.Millis > 0) != known {
			t.Errorf("%.40s: %+v", value, got)
		}
	}
}
