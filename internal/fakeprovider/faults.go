package fakeprovider

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
)

const foreignPage = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n" +
	"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"

// refuse answers with the provider's error. It charges nothing by itself.
func (x *exchange) refuse(no refusal) {
	if no.status == http.StatusTooManyRequests || no.status == http.StatusServiceUnavailable || no.status == 529 {
		if after := x.b.RetryAfter; after != "-" {
			x.w.Header().Set("Retry-After", firstOf(after, "1"))
		}
	}
	x.sendWhole(no.status, marshal(x.route.wire.errorBody(x, no)))
}

// before is what happens before an answer begins; false when that was all.
func (x *exchange) before() bool {
	switch x.b.Fault {
	case FaultRateLimit:
		x.refuse(refusal{status: 429, kind: "requests", code: "rate_limit_exceeded",
			message: "Rate limit reached for requests"})
		return false
	case FaultServerError:
		x.refuse(serverError)
		return false
	case FaultBadRequest:
		x.refuse(badRequest("messages", "Invalid value: a message is not as it must be."))
		return false
	case FaultOverloaded:
		x.refuse(overloaded(x.route.name))
		return false
	case FaultLateStart:
		x.sendWhole(200, marshal(x.route.wire.errorBody(x, serverError)))
		return false
	}
	x.charge(!x.call.stream)
	if !x.pause(x.b.DelayHeaders) {
		return false
	}
	x.whole = true // what stops an answer here does not stop the model
	switch x.b.Fault {
	case FaultStatus:
		if x.b.Status >= 400 && x.b.Status < 500 {
			x.p.amend(x.e, func(e *Entry) { e.Charged = false })
		}
		x.sendAs(x.b.Status, firstOf(x.b.Header.Get("Content-Type"), "application/json"), []byte(x.b.Body))
	case FaultForeign502:
		x.sendAs(502, "text/html", []byte(foreignPage))
	case FaultUpgradeHTML:
		x.sendAs(200, "text/html", []byte(foreignPage))
	case FaultNoBody:
		x.sendAs(200, "application/json", nil)
	case FaultErrorUsage:
		no := serverError
		no.usage = true
		x.refuse(no)
	case FaultDropHeaders, FaultDropReused:
		x.abort = true
	case FaultHangHeaders:
		return x.hang() && x.resume()
	default:
		return x.resume()
	}
	return false
}

// resume goes on to the answer: from here on a stream costs what it has sent.
func (x *exchange) resume() bool {
	x.whole = !x.call.stream
	return true
}

var serverError = refusal{status: 500, kind: "server_error",
	message: "The server had an error while processing your request. Sorry about that!"}

func overloaded(wire string) refusal {
	no := refusal{status: 503, kind: "service_unavailable_error", code: "server_overloaded",
		message: "The engine is currently overloaded, please try again later"}
	if wire == wireMessages {
		no.status, no.message = 529, "Overloaded"
	}
	return no
}

// wholeBody is the answer in one piece.
func (x *exchange) wholeBody() []byte {
	body := marshal(x.route.wire.whole(x))
	if x.b.ExtraFields {
		body = withField(body, extraField)
	}
	if x.b.HugeEvent > 0 {
		body = withField(body, `"padding":"`+string(bytes.Repeat([]byte("x"), x.b.HugeEvent))+`"`)
	}
	// OpenAI and Google indent what they do not stream.
	if _, plain := x.route.wire.(messages); !plain && !x.p.opt.Lean {
		var pretty bytes.Buffer
		must(json.Indent(&pretty, body, "", "  "))
		body = append(pretty.Bytes(), '\n')
	}
	if x.b.BOM {
		body = append([]byte("\ufeff"), body...)
	}
	return body
}

func (x *exchange) sendWhole(status int, body []byte) {
	x.sendAs(status, "application/json", body)
}

// sendAs sends a body in one piece, and breaks within it if that is the fault.
func (x *exchange) sendAs(status int, contentType string, body []byte) {
	half := body[:len(body)/2]
	switch x.b.Fault {
	case FaultMalformed:
		if status == 200 {
			body = append(bytes.Clone(half), "\x00 }{ this is no JSON"...)
		}
	case FaultErrorEvent, FaultFailed:
		if status == 200 {
			status, body = 500, marshal(x.route.wire.errorBody(x, serverError))
			x.p.amend(x.e, func(e *Entry) { e.Charged = false })
		}
	}
	broken := status == 200 && (x.b.Fault == FaultCut || x.b.Fault == FaultReset ||
		x.b.Fault == FaultCleanEnd || x.b.Fault == FaultHang)
	if !(broken && x.b.Fault == FaultCleanEnd) {
		x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.header(status, contentType)
	defer x.finish()
	if !broken {
		x.dribble(body)
		return
	}
	if !x.write(half) || !x.flush() {
		return
	}
	switch x.b.Fault {
	case FaultCut, FaultReset:
		x.breakOff()
	case FaultHang:
		if x.hang() {
			x.write(body[len(half):])
		}
	}
}

// dribble writes a body, a byte at a time if that is asked for.
func (x *exchange) dribble(body []byte) {
	if !x.b.SlowDrip {
		x.write(body)
		return
	}
	for i := range body {
		if !x.write(body[i:i+1]) || !x.flush() {
			return
		}
	}
}

// breakOff breaks the connection after what was written has gone out.
func (x *exchange) breakOff() {
	x.flush()
	x.abort = true
	if x.b.Fault != FaultReset {
		return
	}
	if read := x.p.opt.Read; read != nil {
		read(int64(x.record.Len()))
	}
	conn, _, err := x.rc.Hijack()
	if err != nil {
		return // HTTP/2: the abort resets the stream
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // so that closing sends RST
	}
	_ = conn.Close()
}

// hang is silent until Release (true) or until the client is gone (false).
func (x *exchange) hang() bool {
	x.p.amend(x.e, func(e *Entry) { e.State = Hanging })
	select {
	case <-x.release:
		x.p.amend(x.e, func(e *Entry) { e.State = Open })
		return true
	case <-x.r.Context().Done():
		x.gone()
		return false
	}
}

func firstOf(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
