package apitest

import (
	"testing"

	"nactor/cmd/nactor/proctest"
)

// A cluster of 2.0 with double write answers the examples of the description as it shows,
// whichever node is asked, shows everywhere what is written anywhere, and closes double write.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := upgraded(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, []*proctest.Server)
	}{
		{"examples", tryExamples},
		{"writes", func(t *testing.T, nodes []*proctest.Server) { tryWrites(t, "2.X", nodes) }},
		{"a switch of one node", debugOfOne},
		{"a log level of one node", logLevelOfOne},
		{"close of double write", closeDoubleWrite},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, nodes) }) {
			return
		}
	}
}

// So does one of 1.X with what is written.
func TestClusterOf1X(t *testing.T) {
	t.Parallel()
	nodes := start(t, "--as-version", "1.4.2")
	tryWrites(t, "1.X", nodes)
	debugOfOne(t, nodes)
}
