package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"nactor/cmd/nactor/config"
	"nactor/grpc"
)

// limitRule is Nacos's file of limits for clients of 2.x, data/loader/limitRule, over the
// properties. It is read again when it changes.
type limitRule struct {
	path string
	base grpc.Limits
	log  *slog.Logger

	text    []byte
	trouble string // what was last said of it
	current atomic.Pointer[grpc.Limits]
}

// ruleEvery is how often the file is looked at.
const ruleEvery = 3 * time.Second

func newLimitRule(cfg *config.Config, log *slog.Logger) *limitRule {
	r := &limitRule{
		path: filepath.Join(cfg.DataDir(), "loader", "limitRule"), log: log,
		base: grpc.Limits{Total: cfg.GRPCMaxClients, PerAddress: cfg.GRPCMaxPerIP},
	}
	r.current.Store(&r.base)
	r.read()
	return r
}

func (r *limitRule) now() *grpc.Limits { return r.current.Load() }

// read takes the file as it is now. What cannot be read changes nothing.
func (r *limitRule) read() {
	text, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = nil, nil
	}
	if err == nil && bytes.Equal(text, r.text) {
		return
	}
	next := r.base
	if err == nil && len(bytes.TrimSpace(text)) > 0 { // Nacos makes an empty file
		if err = json.Unmarshal(text, &next); err != nil {
			err = fmt.Errorf("it is no JSON of limits: %w", err)
		}
	}
	r.text = text
	if err != nil {
		if r.trouble != err.Error() {
			r.trouble = err.Error()
			r.log.Warn("the limits of 2.x clients stay as they are", "file", r.path, "error", err)
		}
		return
	}
	r.trouble = ""
	r.current.Store(&next)
	r.log.Info("limits of 2.x clients", "file", r.path, "all", next.Total, "at one address", next.PerAddress, "addresses", len(next.Addresses), "applications", len(next.Apps))
}
