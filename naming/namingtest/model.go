package namingtest

import (
	"nactor/naming"
	"nactor/naming/v1"
	"nactor/naming/v2"
)

// Machine is a service that can be driven.
type Machine interface {
	Step(env naming.Env, cmd naming.Command) naming.Effects
	View(rev naming.Revision) *naming.View
	Deadline() (naming.Instant, bool)
	Clock(addr naming.Addr, ephemeral bool) *naming.BeatClock
	Exists() bool
	Len() int
}

// Owner is a service that can be handed over to another owner.
type Owner interface {
	Machine
	Heritage(view *naming.View, now naming.Instant) naming.Heritage
	Inherit(env naming.Env, h naming.Heritage) naming.Effects
	Credit(env naming.Env, h naming.Heritage) naming.Effects
	Reconcile(env naming.Env, saved naming.Saved) naming.Effects
}

// Structure is what both structures of a service are.
type Structure interface {
	Owner
	Follow(now naming.Instant, view *naming.View, clock func(naming.Addr, bool) *naming.BeatClock)
}

var (
	_ Structure = (*v1.Service)(nil)
	_ Structure = (*v2.Service)(nil)
)

// Model names one of the two structures.
type Model int

// The structures of Nacos 1.x and 2.0.
const (
	V1 Model = 1
	V2 Model = 2
)

func (m Model) String() string { return [...]string{V1: "v1", V2: "v2"}[m] }

// New returns a service of this structure that does not exist yet.
func (m Model) New(key naming.Key) Structure {
	if m == V1 {
		return v1.New(key)
	}
	return v2.New(key)
}

// Restore starts a service of this structure from a view.
func (m Model) Restore(view *naming.View, now naming.Instant) Structure {
	if m == V1 {
		return v1.Restore(view, now)
	}
	return v2.Restore(view, now)
}

// FromSaved starts a service of this structure from what a store holds.
func (m Model) FromSaved(saved naming.Saved, now naming.Instant) Structure {
	if m == V1 {
		return v1.FromSaved(saved, now)
	}
	return v2.FromSaved(saved, now)
}
