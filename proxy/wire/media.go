package wire

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// Images is OpenAI's Images API: pictures made of a text, or of others. Fields as
// in openai-python types/image_generate_params.py and image_edit_params.py.
// Answers of models that are billed by tokens show what a picture cost. Other models have
// no price here; models.yaml can open the route for them, at a price a call.
var Images = &Wire{
	Dialect:   policy.Dialect{Name: policy.Images, Type: policy.TypeOpenAI, Provider: "openai", PerRequest: 256, PerMessage: 8, PerTool: 32},
	Operation: "image_generation",
	Find:      postsRest("/images/generations", "/images/edits"),
	Path:      func(_ policy.Model, rest string) string { return rest },
	Silent:    true,
	Form:      true,
	Fields:    imagesFields,
	Authorize: bearer,
	Read:      readImages,
	Edit:      editEmbeddings,
	Meter:     func(e Edit) Meter { return &mediaMeter{Edit: e, parts: "input_tokens_details"} },
	Refuse:    openAIError,
}

// Transcriptions is OpenAI's API of speech to text. Fields as in openai-python
// types/audio/transcription_create_params.py and transcription.py.
var Transcriptions = &Wire{
	Dialect:   policy.Dialect{Name: policy.Transcriptions, Type: policy.TypeOpenAI, Provider: "openai", PerRequest: 128, PerMessage: 8, PerTool: 32},
	Operation: "transcription",
	Find:      postsRest("/audio/transcriptions"),
	Path:      func(_ policy.Model, rest string) string { return rest },
	Silent:    true,
	Form:      true,
	Fields:    transcriptionsFields,
	Authorize: bearer,
	Read:      readTranscription,
	Edit:      editEmbeddings,
	Meter:     func(e Edit) Meter { return &mediaMeter{Edit: e, parts: "input_token_details"} },
	Refuse:    openAIError,
}

// postsRest finds routes whose path is sent on as it is.
func postsRest(paths ...string) func(method, path string) (Route, bool) {
	return func(method, path string) (Route, bool) {
		path = Unversioned(path)
		for _, p := range paths {
			if method == http.MethodPost && path == p {
				return Route{Rest: path}, true
			}
		}
		return Route{}, false
	}
}

var (
	imagesFields = fieldSet(`background image images input_fidelity mask model moderation n output_compression output_format
		partial_images prompt quality response_format size stream style user`)
	transcriptionsFields = fieldSet(`chunking_strategy file include known_speaker_names known_speaker_references language model
		prompt response_format stream temperature timestamp_granularities`)
)

// The most output tokens of a picture, by its quality, as OpenAI publishes them for
// gpt-image-1, -1-mini and -1.5, and the tokens of each preview in a stream.
var imageTokens = map[string]int64{"low": 408, "medium": 1584}

const (
	imageTokensMost = 6240
	previewTokens   = 100
)

func readImages(_ *http.Request, body Object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire: policy.Images, Model: body.word("model"), Stream: body.flag("stream"), Outputs: max(1, value(body.Count("n", 1))),
		Messages: 1, Fixed: true,
	}
	body.beside(imagesFields, &c)
	body.word("prompt")
	if strings.HasPrefix(c.Model, "gpt-image-1") {
		most, known := imageTokens[body.word("quality")]
		if !known {
			most = imageTokensMost
		}
		most += previewTokens * value(body.Count("partial_images", 0))
		c.OutputCap = &most
	}
	for _, name := range []string{"image", "images", "mask"} {
		switch v := body.Get(name); v.Kind() {
		case 0, 'n':
		case '[':
			body.list(name, func(Object) { c.Images = append(c.Images, policy.Image{Remote: true}) })
		default:
			c.Images = append(c.Images, policy.Image{Remote: true})
		}
	}
	return c, *body.err
}

func readTranscription(r *http.Request, body Object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire: policy.Transcriptions, Model: body.word("model"), Stream: body.flag("stream"), Outputs: 1,
		Messages: 1, Fixed: true,
	}
	body.beside(transcriptionsFields, &c)
	body.word("prompt")
	// Only FormDoc tells what a file is.
	if body.Get("file").Kind() != '[' || !IsForm(r) {
		body.fault("file is missing: send it as multipart/form-data")
	}
	body.list("file", func(f Object) {
		c.Audio = append(c.Audio, policy.Media{Millis: value(f.Count("millis", 0)), Type: "audio/any"})
	})
	if !empty(body.Get("known_speaker_references")) { // these are sound, too
		c.Hidden = append(c.Hidden, "known_speaker_references")
	}
	return c, *body.err
}

// The members of these usage objects whose meaning for the price is known.
var (
	mediaUsageFields = fieldSet(`type input_tokens output_tokens total_tokens output_tokens_details`)
	mediaPartFields  = fieldSet(`text_tokens image_tokens audio_tokens cached_tokens`)
)

// mediaMeter reads the usage of pictures and transcripts, whose parts have other names than
// a chat's. Where there is no usage, the call's hold is booked.
type mediaMeter struct {
	Edit
	parts string
}

func (m *mediaMeter) Whole(status int, body []byte, r *Reading) []Splice {
	doc, err := Parse(body)
	if err != nil {
		r.Finished = status < 400 // a transcript may be plain text
		return nil
	}
	o := doc.Object(new(error))
	if status >= 400 && usageIn(o).isNull() {
		r.Refused = m.own(o)
		return nil
	}
	r.Finished = true
	if fails(o, "") {
		r.Failed, r.Own = true, m.own(o)
	}
	m.usage(o, r)
	return nil
}

// Event recognizes the last event of a stream by its usage.
func (m *mediaMeter) Event(e Event, r *Reading) (bool, []Splice) {
	doc, err := Parse(e.Data)
	if err != nil {
		return false, nil
	}
	o := doc.Object(new(error))
	if fails(o, e.Name) {
		r.Failed, r.Own = true, r.Own || m.own(o)
	} else {
		r.Deltas++
		r.Seen += int64(len(e.Data))
	}
	if !usageIn(o).isNull() {
		m.usage(o, r)
		r.Finished = true
	}
	return false, nil
}

func (m *mediaMeter) Cut(*Reading) []byte { return nil }

// usage reads what an answer or an event tells, once or more often.
func (m *mediaMeter) usage(o Object, r *Reading) {
	unclear := ""
	for _, v := range append(o.repeated("usage"), usageIn(o)) {
		m.read(v, r)
		unclear = firstOf(unclear, r.Unclear)
	}
	r.Unclear = unclear
}

func (m *mediaMeter) read(v Span, r *Reading) {
	var err error
	usage := v.Object(&err)
	input, output := usage.Count("input_tokens", 0), usage.Count("output_tokens", 0)
	if input == nil || output == nil {
		return
	}
	in := usage.child(m.parts)
	strange := firstOf(strange(usage, mediaUsageFields, m.parts), strange(in, mediaPartFields),
		strange(usage.child("output_tokens_details"), mediaPartFields))
	u := policy.Usage{Output: *output, AudioIn: value(in.Count("audio_tokens", 0)), CacheRead: value(in.Count("cached_tokens", 0))}
	u.Input = *input - u.AudioIn - u.CacheRead
	total := usage.Count("total_tokens", 0)
	keepGreater(r.Usage, &u)
	r.Unclear = ""
	switch {
	case err != nil:
		r.Unclear = fmt.Sprintf("usage: %v", err)
	case absurd(u):
		r.Unclear = noTokens
	case u.Input < 0:
		r.Unclear = "usage whose parts exceed their sum"
	case value(total) > *input+*output:
		r.Unclear = "usage whose total is more than its parts"
	case strange != "":
		r.Unclear = fmt.Sprintf("usage has %s, which is not known", plain.Clip(strange, 60))
	}
	r.Usage, r.Known = u, true
	greatest(&r.Input, input)
	r.noteOutput(u.Output)
}
