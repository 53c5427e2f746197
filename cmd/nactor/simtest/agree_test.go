package simtest

import (
	"fmt"
	"time"

	"nactor/actors"
	"nactor/naming"
)

// disagreement says how the replicas of the serving nodes differ, or which service is
// served by none or several; "" when nothing is amiss.
func (w *world) disagreement(keys []naming.Key) string {
	nodes := w.serving()
	if len(nodes) == 0 {
		return "no node serves"
	}
	for p := range naming.Partitions {
		want := nodes[0].views.Sum(p)
		for _, n := range nodes[1:] {
			if n.views.Sum(p) != want {
				return fmt.Sprintf("partition %d: %s", p, w.differ(nodes[0], n, p))
			}
		}
	}
	for _, key := range keys {
		if text := w.activations(key); text != "" {
			return text
		}
	}
	return ""
}

// differ tells what two nodes hold of a partition.
func (w *world) differ(a, b *node, p int) string {
	keys := map[naming.Key]bool{}
	text := ""
	for _, n := range []*node{a, b} {
		for _, v := range n.views.Partition(p) {
			keys[v.Key] = true
		}
	}
	for key := range keys {
		text += a.describe(key) + "; " + b.describe(key) + "; "
	}
	return text
}

// describe tells what a node knows of a service.
func (n *node) describe(key naming.Key) string {
	text := fmt.Sprintf("%s of ring %x: owner of %s is %s, ", n.name, n.members().Ring().ID()>>48, key.Name, n.services.Owner(key))
	if n.place.has(actors.ServiceKind, key.String()) {
		text += "active here, "
	}
	v := n.views.View(key)
	if v == nil {
		return text + "no view"
	}
	text += fmt.Sprintf("view %d.%d(lineage %v):", v.Revision.Activation, v.Revision.Counter, v.Lineage)
	for _, in := range v.Instances {
		text += fmt.Sprintf(" %s/%v", in.IP, in.Healthy)
	}
	return text
}

// activations tells what is wrong with the places where a service lives.
func (w *world) activations(key naming.Key) string {
	var at []string
	for _, n := range w.serving() {
		if n.place.has(actors.ServiceKind, key.String()) {
			at = append(at, n.name)
		}
	}
	var owner, instances = "", 0
	for _, n := range w.serving() {
		owner = n.services.Owner(key)
		if v := n.views.View(key); v != nil {
			instances = len(v.Instances)
		}
	}
	switch {
	case len(at) > 1, len(at) == 1 && at[0] != owner:
		return fmt.Sprintf("%s of %s lives on %v", key.Name, owner, at)
	case len(at) == 0 && instances > 0:
		return fmt.Sprintf("%s has %d instances and lives nowhere", key.Name, instances)
	}
	return ""
}

// agree waits until all nodes hold the same, with each service served once.
func (w *world) agree(limit time.Duration, keys []naming.Key) time.Duration {
	w.t.Helper()
	begun, text := time.Now(), ""
	for {
		if text = w.disagreement(keys); text == "" {
			return time.Since(begun)
		}
		if time.Since(begun) > limit {
			w.t.Errorf("I2: after %v of quiet: %s", limit, text)
			return limit
		}
		time.Sleep(100 * time.Millisecond)
	}
}
