package faulttest

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/valyala/fastjson"
)

// describedServices is how many services have metadata of their own.
const describedServices = 20

func threshold(service int) float64 { return float64(service%5) / 4 }

// describe gives services a threshold and metadata.
func (u *upgrade) describe() {
	u.t.Helper()
	for s := range describedServices {
		meta := url.QueryEscape(fmt.Sprintf(`{"owner":"team-%d"}`, s))
		path := fmt.Sprintf("/v1/ns/service?%s&protectThreshold=%v&metadata=%s", u.variety.params(s), threshold(s), meta)
		if err := u.nodes[s%len(u.nodes)].api.do(http.MethodPut, path, nil, writeTime, nil); err != nil {
			u.t.Fatal(err)
		}
	}
}

// described checks that they still have them, on all nodes.
func (u *upgrade) described() {
	u.t.Helper()
	for s := range describedServices {
		for _, n := range u.alive() {
			eventually(u.t, 5*time.Second, fmt.Sprintf("%v shows the metadata of %s", n, serviceName(s)), func() error {
				return n.api.do(http.MethodGet, "/v1/ns/service?"+n.api.variety.params(s), nil, readTime, func(body []byte) error {
					v, err := fastjson.ParseBytes(body)
					if err == nil && (v.GetFloat64("protectThreshold") != threshold(s) || string(v.GetStringBytes("metadata", "owner")) != fmt.Sprintf("team-%d", s)) {
						err = fmt.Errorf("%s", body)
					}
					return err
				})
			})
		}
	}
}
