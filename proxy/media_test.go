package proxy

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// formOf is a multipart form; what begins with @ is a file of so many bytes as
// the rest has.
func formOf(t *testing.T, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if content, file := strings.CutPrefix(fields[i+1], "@"); file {
			part, err := w.CreateFormFile(fields[i], "a.mp3")
			must(t, err)
			_, err = part.Write([]byte(content))
			must(t, err)
			continue
		}
		must(t, w.WriteField(fields[i], fields[i+1]))
	}
	must(t, w.Close())
	return b.String(), w.FormDataContentType()
}

var mediaPrices = []string{"gpt-image-1=10/40"}

// Pictures and transcripts are booked by the usage that their answers tell,
// sent as JSON or as a form, which reaches the provider byte for byte.
func TestMediaIsBookedByItsUsage(t *testing.T) {
	w := newWorld(t, setup{prices: mediaPrices, provider: fakeprovider.Options{Behaviour: fakeprovider.Behaviour{OutputTokens: 272}}})
	edit, editType := formOf(t, "model", "gpt-image-1", "prompt", "make it blue", "n", "2", "image[]", "@"+strings.Repeat("x", 5000), "image[]", "@yy")
	speech, speechType := formOf(t, "model", "gpt-4o-transcribe", "prompt", "names: Ann", "temperature", "0", "file", "@"+strings.Repeat("z", 90_000))
	for _, c := range []struct{ path, body, kind string }{
		{"/v1/images/generations", `{"model":"gpt-image-1","prompt":"a cat","n":2,"quality":"low"}`, "application/json"},
		{"/v1/images/edits", edit, editType},
		{"/v1/audio/transcriptions", speech, speechType},
	} {
		if strings.Contains(c.path, "audio") {
			w.provider.Set(fakeprovider.Behaviour{AudioInTokens: 450, OutputTokens: 30})
		}
		before := w.booked(0).Account.Spent
		status, h, answer, err := w.post(c.path, c.body, "Content-Type", c.kind)
		if err != nil || status != http.StatusOK {
			t.Fatalf("%s: %v %d %s %.300s", c.path, err, status, h.Get("X-Aex-Code"), answer)
		}
		run := w.booked(1)
		bill := w.provider.Bill()
		e := bill[len(bill)-1]
		if string(e.Body) != c.body {
			t.Errorf("%s: the body was changed", c.path)
		}
		micro := (e.Usage.Input*10 + e.Usage.Output*40)
		if strings.Contains(c.path, "audio") { // in the catalogue: text 2.50, audio 6, output 10
			micro = (e.Usage.Input*5 + e.Usage.AudioIn*12 + e.Usage.Output*20 + 1) / 2
		}
		if got := int64(run.Account.Spent - before); got != micro || micro == 0 {
			t.Errorf("%s: booked %d, billed %d of %+v", c.path, got, micro, e.Usage)
		}
		if run.Account.Overrun != 0 || run.Account.Reserved != 0 {
			t.Errorf("%s: overrun %s, reserved %s", c.path, run.Account.Overrun, run.Account.Reserved)
		}
	}
}

// What a picture can cost is held before it is made, and its size is not
// lowered: what does not fit is refused.
func TestAPictureIsHeldWhole(t *testing.T) {
	w := newWorld(t, setup{prices: mediaPrices, budget: "0.06"})
	for _, c := range []struct {
		asks string
		want int
	}{
		{`"quality":"low"`, http.StatusOK}, // 408 tokens: $0.017
		{`"quality":"low","n":4`, http.StatusPaymentRequired},
		{`"quality":"medium"`, http.StatusPaymentRequired},
		{`"quality":"low"`, http.StatusOK},
		{`"quality":"high"`, http.StatusPaymentRequired},
		{`"quality":"low","partial_images":"3"`, http.StatusBadRequest},
	} {
		body, want := `{"model":"gpt-image-1","prompt":"a cat",`+c.asks+`}`, c.want
		if status, h, answer, err := w.post("/v1/images/generations", body); err != nil || status != want {
			t.Errorf("%s: %v %d %s %.200s", body, err, status, h.Get("X-Aex-Code"), answer)
		}
	}
}

// A model without a price names the line that opens the route at one a call,
// and that line goes before the meter.
func TestMediaWithoutAPrice(t *testing.T) {
	w := newWorld(t, setup{prices: mediaPrices})
	body := `{"model":"dall-e-3","prompt":"a cat"}`
	status, h, answer, err := w.post("/v1/images/generations", body)
	if err != nil || status == http.StatusOK || h.Get("X-Aex-Code") != "model_not_priced" ||
		!strings.Contains(answer, `routes: {\"POST /v1/images/generations\": {usd_per_call: \"0.04\"}}`) {
		t.Errorf("%v %d %s %.400s", err, status, h.Get("X-Aex-Code"), answer)
	}
	w = newWorld(t, setup{prices: mediaPrices, models: "version: 1\nroutes:\n  \"POST /v1/images/generations\": {usd_per_call: \"0.04\"}\n"})
	if status, _, answer, err := w.post("/v1/images/generations", body); err != nil || status != http.StatusOK {
		t.Errorf("opened: %v %d %.300s", err, status, answer)
	}
	if spent := w.booked(1).Account.Spent; spent != 40_000 {
		t.Errorf("opened: it cost %s", spent)
	}
	// a form that is damaged, and one without its file
	for _, form := range []string{"--x\r\nnonsense", "--x--\r\n", "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o-transcribe\r\n--x--\r\n"} {
		if status, _, answer, err := w.post("/v1/audio/transcriptions", form, "Content-Type", "multipart/form-data; boundary=x"); err != nil || status != http.StatusBadRequest {
			t.Errorf("%q: %v %d %.200s", form, err, status, answer)
		}
	}
}
