package actors

import (
	"testing"

	"github.com/valyala/fastjson"
)

func FuzzAck(f *testing.F) {
	for _, s := range []string{`{"type":"push-ack","lastRefTime":"1","data":""}`, `{"type":"push-ack","lastRefTime":1}`, `{"type":"push-ack","lastRefTime":null}`, `{`, `""`, `{"type":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p fastjson.Parser
		parseAck(&p, b)
	})
}
