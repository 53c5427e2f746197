package naming

import "testing"

// A heartbeat that was on its way counts by when it came, and never takes back what is known
// already, be it a later one or the grace that a new owner granted.
func TestHearLate(t *testing.T) {
	const taken = Instant(100)
	for name, test := range map[string]struct {
		clock BeatClock
		at    Instant
		want  BeatClock
	}{
		"later than the last":        {BeatClock{Last: taken}, 120, BeatClock{Last: 120}},
		"earlier than the last":      {BeatClock{Last: taken}, 80, BeatClock{Last: taken}},
		"the first of a life":        {BeatClock{Last: taken, Granted: true}, 120, BeatClock{Last: 120}},
		"of the life before":         {BeatClock{Last: taken, Granted: true}, 80, BeatClock{Last: taken, Granted: true, Heard: 80}},
		"not the latest of it":       {BeatClock{Last: taken, Granted: true, Heard: 90}, 80, BeatClock{Last: taken, Granted: true, Heard: 90}},
		"the moment it was taken up": {BeatClock{Last: taken, Granted: true}, taken, BeatClock{Last: taken, Granted: true, Heard: taken}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.clock.HearLate(test.at); test.clock != test.want {
				t.Errorf("%+v, want %+v", test.clock, test.want)
			}
		})
	}
}
