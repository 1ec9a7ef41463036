package fakeprovider

import "testing"

func TestChatSmoke(t *testing.T) {
	p, url := start(t, Options{Key: "k"})
	_ = p
	for _, body := range []string{
		`{"model":"gpt-4o","messages":[{"role":"user","content":"hello there"}],"max_tokens":5}`,
		`{"model":"gpt-4o","messages":[{"role":"user","content":"hello there"}],"stream":true,"n":2,"max_tokens":3,"stream_options":{"include_usage":true}}`,
		`{"model":"gpt-4o","messages":[{"role":"user","content":"hi [[tool add {\"a\":1}]]"}],"stream":true,"tools":[{"type":"function","function":{"name":"add"}}]}`,
	} {
		s, b, err := post(t, url+"/v1/chat/completions", body, "Authorization", "Bearer k")
		t.Log(s, b, err)
	}
	s, b, err := post(t, url+"/v1/chat/completions", `{}`)
	t.Log(s, b, err)
	p.Wait(soon(t), 4)
	for _, e := range p.Bill() {
		e.Body, e.Response, e.Header, e.Answered = nil, nil, nil, nil
		t.Logf("%+v", e)
	}
}
