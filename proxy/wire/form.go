package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

// A form is sent on as it came. So one in which anything can be read in two ways is
// refused: the provider might read something else than what was judged here.

// maxFormParts bounds the parts of a form.
const maxFormParts = 1000

// IsForm tells whether a request is a form, which FormDoc reads.
func IsForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/")
}

// FormDoc is a form as the JSON object that says the same: texts, numbers and flags as
// such, and in place of a file how long it sounds.
func FormDoc(contentTypes []string, body []byte) ([]byte, error) {
	boundary, err := boundaryOf(contentTypes)
	if err != nil {
		return nil, err
	}
	form := multipart.NewReader(bytes.NewReader(body), boundary)
	fields := map[string]any{}
	for parts := range maxFormParts {
		part, err := form.NextRawPart()
		if err == io.EOF {
			if !wholeForm(body, boundary, parts) {
				return nil, errors.New("the form has text outside of its parts, or a boundary within one: where they end is ambiguous")
			}
			return json.Marshal(fields)
		}
		if err != nil {
			return nil, fmt.Errorf("the form is damaged: %w", err)
		}
		if err := addField(fields, part); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the form has more than %d parts", maxFormParts)
}

// boundaryOf is what stands between the parts.
func boundaryOf(contentTypes []string) (string, error) {
	if len(contentTypes) != 1 {
		return "", errors.New("the form has several Content-Types: which one counts is ambiguous")
	}
	kind, params, err := mime.ParseMediaType(contentTypes[0])
	if strings.EqualFold(params["charset"], "utf-8") { // as it is read here
		delete(params, "charset")
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("the Content-Type is no form's: %w", err)
	case kind != "multipart/form-data" || len(params) != 1 || params["boundary"] == "" || strings.Contains(contentTypes[0], "*"):
		return "", errors.New("the Content-Type of a form is multipart/form-data with a boundary, in UTF-8, and nothing else")
	}
	return params["boundary"], nil
}

// wholeForm tells whether a form consists of its parts alone. Anything before, between or
// after them might be a further part to a reader that ends lines in another way, or that
// reads on for longer.
func wholeForm(body []byte, boundary string, parts int) bool {
	line := "--" + boundary
	return parts == 0 || bytes.HasPrefix(body, []byte(line+"\r\n")) && bytes.Count(body, []byte(line)) == parts+1 &&
		bytes.HasSuffix(bytes.TrimRight(body, "\r\n"), []byte("\r\n"+line+"--"))
}

// addField reads one part.
func addField(fields map[string]any, part *multipart.Part) error {
	name, isList, err := partName(part)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(part)
	if err != nil {
		return fmt.Errorf("the form is damaged: %w", err)
	}
	var v any = formValue(name, string(content))
	if part.FileName() != "" {
		millis := soundMillis(bytes.NewReader(content), int64(len(content)), strings.TrimPrefix(path.Ext(part.FileName()), "."))
		v, isList = map[string]int64{"millis": millis}, true
	}
	before, again := fields[name]
	switch list, _ := before.([]any); {
	case isList:
		fields[name] = append(list, v)
	case again:
		return fmt.Errorf("%q stands twice in the form", name)
	default:
		fields[name] = v
	}
	return nil
}

// fieldName matches the names that every reader reads in the same way: image, image[],
// chunking_strategy[type].
var fieldName = plain.Expression(`^([A-Za-z0-9_.-]+)((\[[A-Za-z0-9_.-]*\])*)$`)

// encodedName is the start of a name in an encoding that only some readers know.
var encodedName = plain.Expression(`(?i);\s*name\*`)

// partName is the name of a part's field, which holds a list where brackets follow.
func partName(part *multipart.Part) (name string, isList bool, err error) {
	for header, values := range part.Header {
		switch {
		case len(values) != 1:
			return "", false, fmt.Errorf("a part of the form has several lines %s: which one counts is ambiguous", textproto.CanonicalMIMEHeaderKey(header))
		case header == "Content-Disposition", header == "Content-Type", header == "Content-Length":
		case header == "Content-Transfer-Encoding" && (strings.EqualFold(values[0], "binary") || strings.EqualFold(values[0], "8bit") || strings.EqualFold(values[0], "7bit")):
		default:
			return "", false, fmt.Errorf("a part of the form has a line %.60q, which some readers heed", header+": "+values[0])
		}
	}
	disposition := part.Header.Get("Content-Disposition")
	found := fieldName().FindStringSubmatch(part.FormName())
	if found == nil || encodedName().MatchString(disposition) {
		return "", false, fmt.Errorf("a part of the form is named by %.80q: a name is letters, digits, _ and -, and may have brackets behind it", disposition)
	}
	return found[1], found[2] != "", nil
}

// formValue is the value of a text in a form. A prompt stays a text even if it looks like
// a number.
func formValue(name, s string) any {
	if name == "prompt" {
		return s
	}
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return n
	}
	if s == "true" || s == "false" {
		return s == "true"
	}
	return s
}
