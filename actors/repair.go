package actors

import (
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/naming"
	"nactor/replica"
)

// digest says what this node holds of the partitions that it owns.
func (m *mesh) digest() *actorpb.Packet {
	ring, mine := m.keeper.owned()
	d := &actorpb.Digest{Ring: ring, Id: m.newSession()}
	for _, p := range mine {
		d.Partitions = append(d.Partitions, uint32(p))
		d.Sums = append(d.Sums, m.Views.Sum(p))
	}
	return &actorpb.Packet{Body: &actorpb.Packet_Digest{Digest: d}}
}

// compareNotes sends a digest to every peer.
func (m *mesh) compareNotes() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, run := range m.links {
		run.send(later(m.digest))
	}
}

// compareWithGuests sends a digest to the peers that own nothing: they wait until they have
// heard of every partition.
func (m *mesh) compareWithGuests() {
	owns := map[string]bool{}
	t := m.keeper.table.Load()
	for p := range naming.Partitions {
		owns[t.Owner(p)] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, l := range m.routes {
		if !owns[id] {
			l.send(later(m.digest))
		}
	}
}

// onDigest answers with what this node holds of the partitions that differ.
func (m *mesh) onDigest(from string, in *inbound, d *actorpb.Digest) {
	in.mu.Lock()
	in.asked = d
	in.mu.Unlock()
	m.send(from, later(func() *actorpb.Packet {
		list := m.listing(d.Partitions, d.Sums)
		list.Id = d.Id
		return &actorpb.Packet{Body: &actorpb.Packet_Listing{Listing: list}}
	}))
}

// onSynced takes note that a peer has told all that it owned when it made a digest.
func (m *mesh) onSynced(in *inbound, s *actorpb.Synced) {
	in.mu.Lock()
	in.synced = true
	if in.asked != nil && in.asked.Id == s.Id {
		in.told = make(map[int]bool, len(in.asked.Partitions))
		for _, p := range in.asked.Partitions {
			in.told[int(p)] = true
		}
		in.asked = nil
	}
	in.mu.Unlock()
	m.keeper.changed()
}

// told reports whether a node has told all that it holds of the partitions that it owns by
// this node's ring. One that has just taken a partition over tells of it when it knows all.
func (m *mesh) told(id string) bool {
	m.mu.Lock()
	in := m.from[id]
	m.mu.Unlock()
	if in == nil {
		return false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.synced {
		return false
	}
	t := m.keeper.table.Load()
	for p := range naming.Partitions {
		if t.Owner(p) == id && !in.told[p] {
			return false
		}
	}
	return true
}

// listing returns what is held of the partitions whose sums are not these.
func (m *mesh) listing(partitions []uint32, sums []uint64) *actorpb.Listing {
	out := &actorpb.Listing{}
	for i, p := range partitions {
		if p >= naming.Partitions || i >= len(sums) || m.Views.Sum(int(p)) == sums[i] {
			continue
		}
		out.Partitions = append(out.Partitions, p)
		for _, v := range m.Views.Partition(int(p)) {
			out.Entries = append(out.Entries, entry(v.Key, v.Revision, v.Lineage))
		}
	}
	return out
}

func entry(k naming.Key, rev naming.Revision, lineage naming.Lineage) *actorpb.Entry {
	return &actorpb.Entry{Key: actorpb.FromKey(k), Revision: actorpb.FromRevision(rev), Lineage: actorpb.FromLineage(lineage)}
}

// onListing sends a peer what it lacks of this node's partitions, and asks for what this
// node should have known. Then the peer is in sync.
func (m *mesh) onListing(from string, list *actorpb.Listing) {
	send, gone, ask, merge := m.compare(list)
	l := m.to(from)
	if l == nil {
		return
	}
	if len(gone) > 0 {
		l.send(once{&actorpb.Packet{Body: &actorpb.Packet_Gone{Gone: &actorpb.Gone{Entries: gone}}}})
	}
	if len(send) > 0 {
		l.send(&viewsParcel{mesh: m, keys: send})
	}
	l.send(later(func() *actorpb.Packet {
		l.inSync()
		ring, _ := m.keeper.owned()
		return &actorpb.Packet{Body: &actorpb.Packet_Synced{Synced: &actorpb.Synced{Ring: ring, Id: list.Id}}}
	}))
	if len(ask) > 0 {
		l.send(once{pull(ask, false, 0)})
	}
	if len(merge) > 0 {
		l.send(once{pull(merge, true, 0)})
	}
}

// compare sets what a peer holds of some partitions against what is held here: the
// services to send, the ones that are gone, the ones to ask for because the peer's is a
// later view, and because it may know what this node does not.
func (m *mesh) compare(list *actorpb.Listing) (send []naming.Key, gone []*actorpb.Entry, ask, merge []naming.Key) {
	theirs := make(map[naming.Key]struct{}, len(list.Entries))
	for _, e := range list.Entries {
		key, rev := e.Key.Naming(), e.Revision.Naming()
		theirs[key] = struct{}{}
		mine := m.Views.View(key)
		switch {
		case mine == nil:
			if at, ok := m.graves.find(key, rev); ok {
				gone = append(gone, entry(key, at, nil))
			} else {
				merge = append(merge, key)
			}
		case mine.Revision == rev:
		case mine.Follows(rev):
			// What was only loaded holds nothing that an owner has not read in the store.
			send = append(send, key)
		case rev.Follows(actorpb.ToLineage(e.Lineage), mine.Revision) && !m.handles.active(key):
			ask = append(ask, key)
		default:
			merge = append(merge, key)
		}
	}
	for _, p := range list.Partitions {
		if p >= naming.Partitions {
			continue
		}
		for _, v := range m.Views.Partition(int(p)) {
			if _, ok := theirs[v.Key]; !ok {
				send = append(send, v.Key)
			}
		}
	}
	return send, gone, ask, merge
}

func pull(keys []naming.Key, merge bool, id uint64) *actorpb.Packet {
	p := &actorpb.Pull{Merge: merge, Id: id}
	for _, k := range keys {
		p.Keys = append(p.Keys, actorpb.FromKey(k))
	}
	return &actorpb.Packet{Body: &actorpb.Packet_Pull{Pull: p}}
}

func (m *mesh) onPull(from string, p *actorpb.Pull) {
	v := &viewsParcel{mesh: m, merge: p.Merge, id: p.Id}
	for _, k := range p.Keys {
		v.keys = append(v.keys, k.Naming())
	}
	m.send(from, v)
}

// onViews takes whole views: shown when they are newer, or merged into what is here.
func (m *mesh) onViews(from string, vs *actorpb.Views) {
	for _, pb := range vs.Views {
		v := pb.Naming()
		switch {
		case vs.Merge || m.handles.active(v.Key):
			m.keeper.merge(naming.Heritage{View: v})
		case m.premature(from, v):
			m.refuse(from, v)
		default:
			m.Views.Put(v)
		}
	}
	if vs.Last && vs.Id != 0 {
		m.keeper.onPulled(from, vs.Id)
	}
}

// premature reports whether a view must not be shown yet in the place of another life's: that
// of an owner whom this node's ring does not know, or one that has not merged what is shown
// here. That it follows by its number proves little: heartbeats leave no trace in one, and an
// owner that was cut off has heard none. The owner merges what both know, and shows that.
func (m *mesh) premature(from string, v *naming.View) bool {
	owner := m.keeper.table.Load().Owner(v.Key.Partition())
	if owner == m.Self || owner == "" {
		return false
	}
	mine := m.Views.View(v.Key)
	if mine == nil || mine.Revision.Activation == naming.Loaded || mine.Revision.Activation == v.Revision.Activation {
		return false
	}
	return owner != from || !v.Follows(mine.Revision)
}

// refusal is a view that is shown once this node's ring knows its owner, and that has merged
// what is shown here.
type refusal struct {
	from string
	view *naming.View
	at   naming.Instant // when the first of its service was refused
}

const (
	maxRefused      = 20_000
	refusalPatience = 10 * time.Second // then notes have been compared
	mergePatience   = 3 * time.Second  // with an owner; then it does not know what is shown here
)

// refuse keeps a view: its owner counts it as known here, and this node may hear of what made
// that the owner a moment later.
func (m *mesh) refuse(from string, v *naming.View) {
	m.keep(refusal{from, v, m.Clock.Now()})
}

func (m *mesh) keep(r refusal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, known := m.refused[r.view.Key]
	switch {
	case known && old.from == r.from:
		r.at = min(r.at, old.at)
		if old.view.Revision.Compare(r.view.Revision) > 0 {
			r.view = old.view
		}
	case !known && len(m.refused) >= maxRefused:
		return
	}
	m.refused[r.view.Key] = r
}

// reconsider takes what was refused, by the ring and the views that are known now.
func (m *mesh) reconsider() {
	m.mu.Lock()
	all := m.refused
	if len(all) == 0 {
		m.mu.Unlock()
		return
	}
	m.refused = map[naming.Key]refusal{}
	m.mu.Unlock()
	for key, r := range all {
		mine, waited := m.Views.View(key), m.Clock.Now().Since(r.at)
		switch owner := m.keeper.table.Load().Owner(key.Partition()); {
		case owner == m.Self || m.handles.active(key):
			m.keeper.merge(naming.Heritage{View: r.view})
		case mine != nil && mine.Revision.Compare(r.view.Revision) >= 0: // a later one has come
		case owner == r.from && (waited >= mergePatience || !m.premature(r.from, r.view)):
			m.Views.Put(r.view)
		case waited < refusalPatience:
			m.keep(r)
		}
	}
}

// apply shows a delta. It reports false when the view that it changes is not here.
func (m *mesh) apply(b []byte) (naming.Key, bool) {
	d, err := actorpb.DecodeDelta(b)
	if err != nil {
		m.Logger.Warn("a change from another node cannot be read; the next comparison repairs it", "err", err)
		return naming.Key{}, true
	}
	return d.Key, m.Views.Apply(d) != replica.Gap
}

// viewsParcel sends whole views, as they are when they are sent.
type viewsParcel struct {
	mesh  *mesh
	keys  []naming.Key
	merge bool
	id    uint64
}

// pack implements parcel.
func (v *viewsParcel) pack() (*actorpb.Packet, bool) {
	out := &actorpb.Views{Merge: v.merge, Id: v.id}
	for size := 0; len(v.keys) > 0 && size < packetSize; v.keys = v.keys[1:] {
		if view := v.mesh.Views.View(v.keys[0]); view != nil {
			pb := actorpb.FromView(view)
			size += proto.Size(pb)
			out.Views = append(out.Views, pb)
		}
	}
	out.Last = len(v.keys) == 0
	return &actorpb.Packet{Body: &actorpb.Packet_Views{Views: out}}, out.Last
}

// handoffParcel sends heritages.
type handoffParcel struct{ list []stray }

// pack implements parcel.
func (h *handoffParcel) pack() (*actorpb.Packet, bool) {
	out := &actorpb.Handoff{}
	now := time.Now()
	for size := 0; len(h.list) > 0 && size < packetSize; h.list = h.list[1:] {
		pb := actorpb.FromHeritage(h.list[0].at(now))
		size += proto.Size(pb)
		out.Services = append(out.Services, pb)
		h.list[0] = stray{}
	}
	return &actorpb.Packet{Body: &actorpb.Packet_Handoff{Handoff: out}}, len(h.list) == 0
}
