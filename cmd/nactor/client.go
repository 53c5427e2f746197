package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"nactor/cmd/nactor/config"
)

// client asks a running server over its HTTP API.
type client struct {
	base string
	name string // host:port, for people
	http *http.Client
}

// maxAnswer bounds what is read of one answer.
const maxAnswer = 64 << 20

func newClient(server string) *client {
	server = strings.TrimSuffix(strings.TrimSuffix(server, "/"), config.ContextPath)
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	_, name, _ := strings.Cut(server, "://")
	// No proxy: an operator means this very server.
	return &client{
		base: server + config.ContextPath,
		name: name,
		http: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// get returns the body of a successful answer.
func (c *client) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return c.do(ctx, http.MethodGet, target, nil)
}

// post sends a value as JSON and returns the body of a successful answer.
func (c *client) post(ctx context.Context, path string, value any) ([]byte, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, http.MethodPost, c.base+path, body)
}

func (c *client) do(ctx context.Context, method, target string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var about *url.Error
		if errors.As(err, &about) {
			err = about.Err // without the address, which is ours
		}
		return nil, &noAnswer{c.name, err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, &noAnswer{c.name, err}
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server at %s says %s: %.500s", c.name, resp.Status, reason(answer))
	}
	return answer, nil
}

// noAnswer says that a server could not be asked.
type noAnswer struct {
	server string
	err    error
}

func (e *noAnswer) Error() string {
	return "no answer from the server at " + e.server + ": " + e.err.Error()
}
func (e *noAnswer) Unwrap() error { return e.err }

// reason returns what an error of Nacos's API has to say, without its wrapping.
func reason(body []byte) string {
	var page struct{ Message string }
	if json.Unmarshal(body, &page) == nil && page.Message != "" {
		return page.Message
	}
	text := strings.TrimSpace(string(body))
	return strings.TrimSuffix(strings.TrimPrefix(text, "caused: "), ";")
}
