package upgrade

import (
	"cmp"
	"strings"

	"nactor/naming"
)

// compareHosts compares the first ip:port of two sorted lists; an empty list comes last.
func compareHosts(one, two []*naming.Instance) int {
	switch {
	case len(two) == 0:
		return -1
	case len(one) == 0:
		return 1
	}
	if c := strings.Compare(one[0].IP, two[0].IP); c != 0 {
		return c
	}
	return cmp.Compare(one[0].Port, two[0].Port)
}

// cutHost splits off the first ip:port of a sorted list.
func cutHost(all []*naming.Instance) (host, rest []*naming.Instance) {
	for _, end := range hosts(all) {
		return all[:end], all[end:]
	}
	return nil, nil
}

// hosts yields the bounds of the runs of instances with the same ip:port.
func hosts(all []*naming.Instance) func(func(begin, end int) bool) {
	return func(yield func(begin, end int) bool) {
		for begin := 0; begin < len(all); {
			end := begin + 1
			for end < len(all) && all[end].IP == all[begin].IP && all[end].Port == all[begin].Port {
				end++
			}
			if !yield(begin, end) {
				return
			}
			begin = end
		}
	}
}

// ofKind returns the ephemeral or the persistent ones; a list of one kind is not copied.
func ofKind(host []*naming.Instance, ephemeral bool) []*naming.Instance {
	n := 0
	for _, in := range host {
		if in.Ephemeral == ephemeral {
			n++
		}
	}
	switch n {
	case 0:
		return nil
	case len(host):
		return host
	}
	out := make([]*naming.Instance, 0, n)
	for _, in := range host {
		if in.Ephemeral == ephemeral {
			out = append(out, in)
		}
	}
	return out
}

func inCluster(host []*naming.Instance, cluster string) *naming.Instance {
	for _, in := range host {
		if in.Cluster == cluster {
			return in
		}
	}
	return nil
}

// contested reports whether a host has two instances of one kind.
func contested(host []*naming.Instance) bool {
	var seen [2]bool
	for _, in := range host {
		kind := 0
		if in.Ephemeral {
			kind = 1
		}
		if seen[kind] {
			return true
		}
		seen[kind] = true
	}
	return false
}

// latest returns the instance of a kind that was last heard of; see [V2View].
func latest(host []*naming.Instance, ephemeral bool, clock func(naming.Addr, bool) *naming.BeatClock) (last *naming.Instance) {
	var heard naming.Instant
	for _, in := range ofKind(host, ephemeral) {
		at := naming.Instant(0)
		if c := clock(in.Addr(), ephemeral); c != nil {
			at = c.Last
		}
		if last == nil || at > heard || at == heard && newer(in, last) {
			last, heard = in, at
		}
	}
	return last
}

// newer tells which of two instances that were heard of at the same time is the newer one.
func newer(a, b *naming.Instance) bool {
	if a.Healthy != b.Healthy {
		return a.Healthy
	}
	return a.Stamp > b.Stamp
}
