package actors

import (
	"time"

	"nactor/naming"
)

// stray is a heritage that waits, and since when: it came to this node although another one
// owns the service, as rings do not agree while a membership changes, or the service is not
// ready for it.
type stray struct {
	naming.Heritage
	since time.Time
}

const (
	strayPause    = 300 * time.Millisecond // for the rings to agree: two nodes must not play ball
	strayPatience = time.Minute
)

// handOff sends heritages to a node. What it is not there to take, or has not acknowledged
// when its process ends, goes astray.
func (k *keeper) handOff(to string, list []stray) {
	if len(list) == 0 {
		return
	}
	if l := k.to(to); l == nil || !l.send(&handoffParcel{list}) {
		k.astray(list)
	}
}

// astray keeps heritages until it is known where they belong.
func (k *keeper) astray(list []stray) {
	if len(list) == 0 {
		return
	}
	k.mu.Lock()
	k.strays = append(k.strays, list...)
	k.mu.Unlock()
}

// forward sends strays to where they belong.
func (k *keeper) forward(now time.Time) {
	var mine []naming.Heritage
	out := map[string][]stray{}
	k.mu.Lock()
	t := k.table.Load()
	rest := k.strays[:0]
	for _, s := range k.strays {
		switch owner := t.Owner(s.View.Key.Partition()); {
		case owner == k.Self:
			mine = append(mine, s.at(now))
		case now.Sub(s.since) > strayPatience:
			// Its owner compares notes with this node.
		case owner == "" || k.to(owner) == nil || now.Sub(s.since) < strayPause:
			rest = append(rest, s)
		default:
			out[owner] = append(out[owner], s)
		}
	}
	clear(k.strays[len(rest):])
	k.strays = rest
	k.mu.Unlock()
	for owner, list := range out {
		k.handOff(owner, list)
	}
	for _, h := range mine {
		k.merge(h)
	}
}

// at returns the heritage with the time that has passed here.
func (s stray) at(now time.Time) naming.Heritage {
	h, d := s.Heritage, now.Sub(s.since)
	h.Silent, h.Removed = append([]time.Duration(nil), h.Silent...), append([]naming.Removed(nil), h.Removed...)
	for i := range h.Silent {
		h.Silent[i] += d
	}
	for i := range h.Removed {
		h.Removed[i].Ago += d
	}
	return h
}
