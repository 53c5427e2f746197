package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// nextStart returns the number of a process that starts now, later than those of all earlier
// processes of the node, also when the clock has been set back meanwhile: others take the
// latest for the living one. It is the time in ms where it can be. The last one stands in a
// file beside the snapshot; without a snapshot there is none.
func nextStart(snapshot string, now time.Time) (uint64, error) {
	start := uint64(now.UnixMilli())
	if snapshot == "" {
		return start, nil
	}
	path := snapshot + ".start"
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read when this node started last: %w", err)
	}
	// What cannot be read is no reason not to start.
	if last, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 63); err == nil {
		start = max(start, last+1)
	}
	if err := os.WriteFile(path+".new", fmt.Appendln(nil, start), 0o600); err != nil {
		return 0, fmt.Errorf("note when this node started: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return 0, fmt.Errorf("note when this node started: %w", err)
	}
	return start, nil
}
