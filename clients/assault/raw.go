package main

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	fake "github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// noHTTP are answers that are none, or absurd ones.
var noHTTP = []string{
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 099 Odd\r\n\r\n", "HTTP/1.1 000 None\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", "SSH-2.0-x\r\n",
	"\x16\x03\x01\x00", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"", "",
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 95\r\n\r\n{\"choices\":[],\"usage\":{\"prompt_tokens\":9000000000000000000,\"completion_tokens\":-5,\"total_tokens\":1}}",
}

// rawAnswers are told by a server that speaks no HTTP. Nobody bills them: that
// each call comes to its end, and the ledger to its own, is all there is to ask.
func (a *attacker) rawAnswers(r *row) error {
	p, err := a.place(r, fake.Options{})
	if err != nil {
		return err
	}
	defer p.leave()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go answerRaw(l, a.random(-2))
	p.url = "http://" + l.Addr().String()
	s, err := p.serve("x", richly)
	if err != nil {
		return err
	}
	const atOnce = 16
	var all sync.WaitGroup
	for i := range atOnce {
		all.Go(func() {
			random := a.random(100 + i)
			for range (a.sizes.raw + atOnce - 1) / atOnce {
				if a.over() {
					return
				}
				r.add(&r.tried, 1)
				p.call(s, random, false)
			}
		})
	}
	all.Wait()
	s.stop(r)
	p.told("x", allOfIt)
	return nil
}

func answerRaw(l net.Listener, random *rand.Rand) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		answer := noHTTP[random.IntN(len(noHTTP))]
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Second)) // then it hangs up
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, c)
			}
		}()
	}
}
