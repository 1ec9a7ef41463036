package proxy

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// pcm is so many seconds of WAV, 8,000 samples a second.
func pcm(seconds int) string {
	head := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data")
	return string(binary.LittleEndian.AppendUint32(head, uint32(16_000*seconds))) + strings.Repeat("\x00", 16_000*seconds)
}

// An hour of silence takes a few hundred bytes where it is compressed, and is
// billed by the second: on no wire does it go out under a hold that its bytes
// make. Sound whose format says how long it is costs that.
func TestSoundIsHeldByItsTime(t *testing.T) {
	const hour = 3600 * 32 // tokens, as Google bills them
	flac, ogg := "fLaC"+strings.Repeat("\x00", 800), "OggS"+strings.Repeat("\x00", 800)
	chat := func(format string) func(string) (string, string) {
		return func(data string) (string, string) {
			return `{"model":"gpt-4o-audio-preview","max_tokens":16,"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"` + data + `","format":"` + format + `"}}]}]}`, "application/json"
		}
	}
	gemini := func(kind string) func(string) (string, string) {
		return func(data string) (string, string) {
			return `{"generationConfig":{"maxOutputTokens":16},"contents":[{"parts":[{"inlineData":{"mimeType":"` + kind + `","data":"` + data + `"}}]}]}`, "application/json"
		}
	}
	responses := func(data string) (string, string) {
		return `{"model":"gpt-4o-audio-preview","max_output_tokens":16,"input":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"` + data + `","format":"mp3"}}]}]}`, "application/json"
	}
	form := func(data string) (string, string) {
		raw, err := base64.StdEncoding.DecodeString(data)
		must(t, err)
		return formOf(t, "model", "gpt-4o-transcribe", "file", "@"+string(raw))
	}
	for _, c := range []struct {
		name, path, sound string
		request           func(string) (body, kind string)
		want              int
	}{
		{"chat, FLAC", "/v1/chat/completions", flac, chat("flac"), 402},
		{"chat, FLAC called WAV", "/v1/chat/completions", flac, chat("wav"), 402},
		{"chat, PCM", "/v1/chat/completions", pcm(3), chat("wav"), 200},
		{"responses, Ogg", "/v1/responses", ogg, responses, 402},
		{"Gemini, FLAC", "/v1beta/models/gemini-2.5-flash:generateContent", flac, gemini("audio/flac"), 402},
		{"Gemini, Ogg", "/v1beta/models/gemini-2.5-flash:generateContent", ogg, gemini("audio/ogg"), 402},
		{"Gemini, video", "/v1beta/models/gemini-2.5-flash:generateContent", ogg, gemini("video/mp4"), 402},
		{"Gemini, PCM", "/v1beta/models/gemini-2.5-flash:generateContent", pcm(3), gemini("audio/wav"), 200},
		{"Gemini embeddings, FLAC", "/v1beta/models/gemini-embedding-2:embedContent", flac, func(data string) (string, string) {
			return `{"content":{"parts":[{"inlineData":{"mimeType":"audio/flac","data":"` + data + `"}}]}}`, "application/json"
		}, 402},
		{"transcription, Ogg", "/v1/audio/transcriptions", ogg, form, 402},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, setup{budget: "0.05", prices: []string{}, models: soundModels,
				provider: fakeprovider.Options{Behaviour: fakeprovider.Behaviour{AudioInTokens: hour, OutputTokens: 5}}})
			if c.want == 200 {
				w.provider.Set(fakeprovider.Behaviour{AudioInTokens: 3 * 32, OutputTokens: 5})
			}
			body, kind := c.request(base64.StdEncoding.EncodeToString([]byte(c.sound)))
			status, _, answer, err := w.post(c.path, body, "Content-Type", kind)
			must(t, err)
			if status != c.want {
				t.Errorf("%d %.300s", status, answer)
			}
			run := w.booked(1)
			if run.Account.Overrun != 0 || status == http.StatusOK && run.Account.Spent == 0 {
				t.Errorf("spent %s, overrun %s", run.Account.Spent, run.Account.Overrun)
			}
		})
	}
}

// soundModels have prices for sound, and windows that it can fill.
const soundModels = `version: 1
models:
  gpt-4o-audio-preview: {provider: openai, limits: {context: 128000}, pricing: {input_usd_per_mtok: 2.5, output_usd_per_mtok: 10, audio_in_usd_per_mtok: 40}}
  gpt-4o-transcribe: {provider: openai, limits: {context: 16000}, pricing: {input_usd_per_mtok: 6, output_usd_per_mtok: 10, audio_in_usd_per_mtok: 6}}
  gemini-2.5-flash: {provider: google, limits: {context: 1000000}, pricing: {input_usd_per_mtok: 0.3, output_usd_per_mtok: 2.5, audio_in_usd_per_mtok: 1}}
  gemini-embedding-2: {provider: google, limits: {context: 1000000}, pricing: {input_usd_per_mtok: 0.2, output_usd_per_mtok: 1, audio_in_usd_per_mtok: 6.5}}
`
