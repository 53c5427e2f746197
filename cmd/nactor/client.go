package main

import (
	"bytes"
	"context"
	"encoding/json"
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
	http *http.Client
}

// maxAnswer bounds what is read of one answer.
const maxAnswer = 64 << 20

func newClient(server string) *client {
	server = strings.TrimSuffix(server, "/")
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	// No proxy: an operator means this very server.
	return &client{
		base: strings.TrimSuffix(server, config.ContextPath) + config.ContextPath,
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
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("answer of %s: %w", target, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: %.500s", target, resp.Status, strings.TrimSpace(string(answer)))
	}
	return answer, nil
}
