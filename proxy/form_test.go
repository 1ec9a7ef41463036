package proxy

import (
	"net/http"
	"strings"
	"testing"
)

// twoWayForms are forms in which some reader finds a model that the caller may not use.
// Each is a form of a model and a file, with something of it in another form.
var twoWayForms = []struct{ name, kind, before, part, after string }{
	{"two dispositions", "", "", "Content-Disposition: form-data; name=\"prompt\"\r\nContent-Disposition: form-data; name=\"model\"", ""},
	{"an encoded name", "", "", "Content-Disposition: form-data; name=\"prompt\"; name*=utf-8''model", ""},
	{"a blank before the name", "", "", `Content-Disposition: form-data; name=" model"`, ""},
	{"an escaped name", "", "", `Content-Disposition: form-data; name="mo\del"`, ""},
	{"a percent in the name", "", "", `Content-Disposition: form-data; name="m%6fdel"`, ""},
	{"a bracket behind the name", "", "", `Content-Disposition: form-data; name="model[0]"`, ""},
	{"no form's part", "", "", `Content-Disposition: attachment; name="model"`, ""},
	{"no name", "", "", `X-Name: model`, ""},
	{"a blank before the colon", "", "", `Content-Disposition : form-data; name="model"`, ""},
	{"base64", "", "", "Content-Disposition: form-data; name=\"prompt\"\r\nContent-Transfer-Encoding: base64", ""},
	{"another boundary", "multipart/form-data; boundary=b|multipart/form-data; boundary=c", "", "", ""},
	{"a charset", "multipart/form-data; charset=utf-7; boundary=b", "", "", ""},
	{"an encoded boundary", "multipart/form-data; boundary=c; boundary*0=b", "", "", ""},
	{"no form", "multipart/mixed; boundary=b", "", "", ""},
	{"text before the parts", "", "--c\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o-transcribe\r\n--c--\r\n", "", ""},
	{"text behind the parts", "", "", "", "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o-transcribe\r\n--b--\r\n"},
}

// TestFormsThatReadTwoWays: a form in which some reader may find another model is
// refused, and one as SDKs make them passes.
func TestFormsThatReadTwoWays(t *testing.T) {
	w := newWorld(t, setup{})
	const rest = "--b\r\nContent-Disposition: form-data; name=model\r\n\r\ngpt-4o-mini-transcribe\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"; filename*=utf-8''a.mp3\r\nContent-Type: audio/mpeg\r\nContent-Length: 3\r\nContent-Transfer-Encoding: binary\r\n\r\nabc\r\n"
	post := func(kind, before, part, after string) int {
		t.Helper()
		if part != "" {
			part = "--b\r\n" + part + "\r\n\r\ngpt-4o-transcribe\r\n"
		}
		if kind == "" {
			kind = "multipart/form-data; boundary=b"
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/v1/audio/transcriptions", strings.NewReader(before+rest+part+"--b--\r\n"+after))
		must(t, err)
		req.Header["Content-Type"] = strings.Split(kind, "|")
		req.Header.Set("Authorization", "Bearer "+w.token)
		resp, err := client.Do(req)
		must(t, err)
		must(t, resp.Body.Close())
		return resp.StatusCode
	}
	if status := post("", "", `Content-Disposition: form-data; name="chunking_strategy[type]"`, ""); status != http.StatusOK {
		t.Fatalf("a form of an SDK's was answered %d", status)
	}
	if status := post("multipart/form-data; charset=UTF-8; boundary=b", "", "Content-Disposition: form-data; name=\"prompt\"\r\n\r\n1984\r\n--b\r\nContent-Disposition: form-data; name=language", ""); status != http.StatusOK {
		t.Errorf("a form in UTF-8 with a number for its prompt was answered %d", status)
	}
	for _, f := range twoWayForms {
		if status := post(f.kind, f.before, f.part, f.after); status != http.StatusBadRequest {
			t.Errorf("%s: %d", f.name, status)
		}
	}
}

// TestJSONIsSentAsJSON: a body that was read as JSON reaches the provider as such,
// whatever its caller calls it: a form of the same bytes may name another model.
func TestJSONIsSentAsJSON(t *testing.T) {
	w := newWorld(t, setup{})
	for _, c := range []struct{ said, want string }{
		{"application/json", "application/json"},
		{"application/json; charset=UTF-8", "application/json; charset=UTF-8"},
		{"application/json; charset=utf-7", "application/json"},
		{"application/x-www-form-urlencoded", "application/json"},
		{"text/plain", "application/json"},
		{"", "application/json"},
	} {
		body := `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}],"user":"&model=gpt-4&user="}`
		if status, _, answer, err := w.post("/v1/chat/completions", body, "Content-Type", c.said); err != nil || status != http.StatusOK {
			t.Fatalf("%q: %d %v %s", c.said, status, err, answer)
		}
		bill := w.provider.Bill()
		if got := bill[len(bill)-1].Header.Values("Content-Type"); len(got) != 1 || got[0] != c.want {
			t.Errorf("%q was sent as %q", c.said, got)
		}
	}
}
