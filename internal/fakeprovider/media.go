package fakeprovider

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
)

// pictures is POST /v1/images/generations and /v1/images/edits, transcripts
// POST /v1/audio/transcriptions, after OpenAI's API reference. None is streamed.
type (
	pictures    struct{ openAI }
	transcripts struct{ openAI }
)

// mediaRequest is what both have in common, in JSON or in a form.
type mediaRequest struct {
	Model  string `json:"model"`
	Prompt string `json:"prompt"`
	N      int64  `json:"n"`
	files  int64
}

func (x *exchange) media() (*mediaRequest, *refusal) {
	q := &mediaRequest{N: 1}
	kind, params, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err == nil && kind == "multipart/form-data" {
		err = q.form(multipart.NewReader(bytes.NewReader(x.body), params["boundary"]))
	} else {
		err = json.Unmarshal(x.body, q)
	}
	var no refusal
	switch {
	case err != nil:
		no = badRequest("", "We could not parse your request: "+err.Error())
	case q.Model == "":
		no = badRequest("model", "you must provide a model parameter")
	case q.N < 1 || q.N > 10:
		no = badRequest("n", "Invalid value for 'n': expected a value between 1 and 10.")
	default:
		return q, nil
	}
	return nil, &no
}

func (q *mediaRequest) form(parts *multipart.Reader) error {
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		switch name := part.FormName(); {
		case part.FileName() != "":
			q.files++
		case name == "model":
			q.Model = string(content)
		case name == "prompt":
			q.Prompt = string(content)
		case name == "n":
			if q.N, err = strconv.ParseInt(string(content), 10, 64); err != nil {
				return err
			}
		}
	}
}

func (pictures) read(x *exchange) (*call, *refusal) {
	q, no := x.media()
	if no != nil {
		return nil, no
	}
	c := &call{model: q.Model, cap: -1, outputs: q.N, asked: q}
	n := counter{perToken: x.p.opt.BytesPerToken, messages: 1}
	n.text(q.Prompt)
	for range q.files {
		n.image(imageHigh)
	}
	c.take(&n)
	return c, nil
}

func (pictures) whole(x *exchange) any {
	data := []any{}
	for range x.call.outputs {
		data = append(data, map[string]any{"b64_json": "iVBORw0KGgo="})
	}
	a := map[string]any{"created": x.plan.created, "data": data, "size": "1024x1024", "quality": "low"}
	if p := x.plan; !x.b.NoUsage {
		text := p.usage.Input - x.call.imageSum
		a["usage"] = map[string]any{"input_tokens": p.prompt, "output_tokens": p.usage.Output, "total_tokens": p.prompt + p.usage.Output,
			"input_tokens_details": map[string]any{"text_tokens": text, "image_tokens": x.call.imageSum}}
	}
	return a
}

func (transcripts) read(x *exchange) (*call, *refusal) {
	q, no := x.media()
	if no == nil && q.files != 1 {
		missing := badRequest("file", "Missing required parameter: 'file'.")
		no = &missing
	}
	if no != nil {
		return nil, no
	}
	c := &call{model: q.Model, cap: -1, outputs: 1, asked: q}
	n := counter{perToken: x.p.opt.BytesPerToken, messages: 1}
	n.text(q.Prompt)
	c.take(&n)
	return c, nil
}

func (transcripts) whole(x *exchange) any {
	p := x.plan
	a := map[string]any{"text": p.outputs[0].words.text(0, p.outputs[0].tokens)}
	if !x.b.NoUsage {
		a["usage"] = map[string]any{"type": "tokens", "input_tokens": p.prompt, "output_tokens": p.usage.Output, "total_tokens": p.prompt + p.usage.Output,
			"input_token_details": map[string]any{"text_tokens": p.usage.Input, "audio_tokens": p.usage.AudioIn}}
	}
	return a
}

// events is never reached: neither is streamed here.
func (pictures) events(*stream)    {}
func (transcripts) events(*stream) {}
