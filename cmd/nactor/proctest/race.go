//go:build race

package proctest

// Tests that look for races look for them in the server too.
const raceEnabled = true
