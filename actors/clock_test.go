package actors_test

import (
	"testing"
	"testing/synctest"
	"time"

	"nactor/actors"
)

func TestSteadyClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := actors.NewSteadyClock(nil)
		run := func(d time.Duration) {
			for ; d > 0; d -= actors.ObserveEvery {
				time.Sleep(actors.ObserveEvery)
				c.Observe()
			}
		}
		run(10 * time.Second)
		begin := c.Now()
		time.Sleep(time.Minute) // the process is stopped
		if got := c.Now().Since(begin); got < 0 || got > time.Second {
			t.Errorf("a stall of a minute counts as %v", got)
		}
		begin = c.Now()
		run(10 * time.Second)
		if got := c.Now().Since(begin); got < 9*time.Second || got > 11*time.Second {
			t.Errorf("10 s count as %v", got)
		}
		begin = c.Now()
		time.Sleep(900 * time.Millisecond) // a slow moment is no stall
		if got := c.Now().Since(begin); got != 900*time.Millisecond {
			t.Errorf("0.9 s count as %v", got)
		}
	})
}
