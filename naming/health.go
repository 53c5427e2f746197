package naming

import (
	"strconv"
	"time"
)

// Instant is a reading of a node's monotonic clock in nanoseconds. Only differences mean
// anything; a wall clock that jumps never expires an instance.
type Instant int64

// Add returns the instant d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Since returns the time from earlier to i.
func (i Instant) Since(earlier Instant) time.Duration { return time.Duration(i - earlier) }

// BeatClock holds the last heartbeat of one instance. Both structures of a service hold
// the same clock, so a switch between them never makes an instance look stale.
type BeatClock struct {
	Last Instant
	// Granted: nobody has been heard in this life of the service. Last is when it took the
	// instance over, or what the life before knew.
	Granted bool
	// Heard is the latest heartbeat known from before Last, where that is granted; 0: none.
	Heard Instant
}

// Hear notes a heartbeat, or a registration.
func (c *BeatClock) Hear(now Instant) { *c = BeatClock{Last: now} }

// HeardOf returns when the instance was last heard of for certain; false: that is not known.
func (c *BeatClock) HeardOf() (Instant, bool) {
	if c.Granted {
		return c.Heard, c.Heard != 0
	}
	return c.Last, true
}

// HearLate notes a heartbeat that came at an earlier moment, and was on its way since. One from
// before this life took over does not shorten what it granted: later ones may have died with
// the owner before.
func (c *BeatClock) HearLate(at Instant) {
	switch {
	case at > c.Last:
		c.Hear(at)
	case c.Granted:
		c.Heard = max(c.Heard, at)
	}
}

// Heartbeat rules of Nacos (PreservedMetadataKeys and Constants there).
const (
	DefaultBeatInterval  = 5 * time.Second
	DefaultBeatTimeout   = 15 * time.Second
	DefaultDeleteTimeout = 30 * time.Second

	MetaBeatInterval  = "preserved.heart.beat.interval"
	MetaBeatTimeout   = "preserved.heart.beat.timeout"
	MetaDeleteTimeout = "preserved.ip.delete.timeout"
	MetaIDGenerator   = "preserved.instance.id.generator"
	MetaClientBeat    = "enableClientBeat"
)

// An override below a second or above a day is a mistake; Nacos takes "abc" for 0 and
// removes the instance at once, we keep to these bounds instead.
const (
	minBeatSetting = time.Second
	maxBeatSetting = 24 * time.Hour
)

// BeatTimeout returns how long after its last beat the instance turns unhealthy.
func BeatTimeout(md Metadata) time.Duration {
	return beatSetting(md, MetaBeatTimeout, DefaultBeatTimeout)
}

// DeleteTimeout returns how long after its last beat the instance is removed.
func DeleteTimeout(md Metadata) time.Duration {
	return beatSetting(md, MetaDeleteTimeout, DefaultDeleteTimeout)
}

// BeatInterval returns the interval that the client is told to beat at; def is the
// cluster-wide setting (switch clientBeatInterval).
func BeatInterval(md Metadata, def time.Duration) time.Duration {
	return beatSetting(md, MetaBeatInterval, def)
}

// beatSetting reads a preserved.* entry in milliseconds. An unreadable value counts as
// absent; a readable one is clamped to 1 s … 24 h.
func beatSetting(md Metadata, key string, def time.Duration) time.Duration {
	if len(md) == 0 {
		return def
	}
	s, ok := md.Get(key)
	if !ok {
		return def
	}
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return def
	}
	if ms > int64(maxBeatSetting/time.Millisecond) {
		return maxBeatSetting
	}
	return max(time.Duration(ms)*time.Millisecond, minBeatSetting)
}

// Rules are the settings that the structures obey; they come from switches and
// properties. Immutable.
type Rules struct {
	BeatInterval time.Duration // told to clients whose instance does not override it
	HealthCheck  bool          // false: nothing turns unhealthy or is removed for missing beats
	Expire       bool          // false: unhealthy instances are kept (nacos.naming.expireInstance)
	EmptyService time.Duration // age at which an empty service without metadata is dropped
	Remember     time.Duration // how long the overlay of a removed instance is kept
	MaxInstances int           // of a service; more are not registered, those that are there stay; 0: no limit
}

// Admit refuses one more instance (kind [KindRejected]) to a service that has n.
func (r *Rules) Admit(key Key, n int) error {
	if r.MaxInstances > 0 && n >= r.MaxInstances {
		return Rejected("service %s has %d instances, the most that nactor.limit.instances-per-service allows", key.Grouped(), n)
	}
	return nil
}

// DefaultRules returns Nacos's defaults.
func DefaultRules() Rules {
	return Rules{
		BeatInterval: DefaultBeatInterval,
		HealthCheck:  true,
		Expire:       true,
		EmptyService: 60 * time.Second,
		Remember:     60 * time.Second,
	}
}
