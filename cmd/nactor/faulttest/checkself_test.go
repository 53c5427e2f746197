package faulttest

import (
	"testing"
	"time"
)

// tale makes a doctored history: instance 0 of service 0, three nodes.
type tale struct {
	*history
	in *instance
}

func newTale(persistent bool) tale {
	h := newHistory()
	return tale{h, h.newInstance(0, persistent)}
}

func at(seconds float64) instant { return instant(seconds * float64(time.Second)) }

func (tl tale) write(op operation, node int, call float64, o outcome) tale {
	tl.in.wrote(write{op: op, node: node, call: at(call), ret: at(call + 0.01), outcome: o})
	return tl
}

// life registers at 0 and beats every 5 s until an instant, at nodes in turn.
func (tl tale) life(until float64) tale {
	tl.write(register, 0, 0, acked)
	for i := 1; float64(5*i) <= until; i++ {
		tl.write(beat, i%3, float64(5*i), acked)
	}
	return tl
}

func (tl tale) edit(node int, call float64, o outcome) tale {
	tl.in.edits++
	tl.in.wrote(write{op: edit, node: node, call: at(call), ret: at(call + 0.01), outcome: o, edit: tl.in.edits})
	return tl
}

func (tl tale) disabled() tale {
	tl.in.disabled = true
	return tl
}

func (tl tale) list(node int, call float64, hosts ...shown) tale {
	tl.saw(read{node: node, call: at(call), ret: at(call + 0.01), shown: hosts})
	return tl
}

func (tl tale) error(node int, call float64) tale {
	tl.saw(read{node: node, call: at(call), ret: at(call + 0.01), err: "refused"})
	return tl
}

func (tl tale) cut(from, to float64, side map[int]int) tale {
	tl.troubles = append(tl.troubles, trouble{from: at(from), set: at(from), to: at(to), side: side, settle: 10 * time.Second})
	return tl
}

func (tl tale) sleep(node int, from, to float64) tale {
	tl.troubles = append(tl.troubles, trouble{from: at(from), set: at(from), to: at(to), side: map[int]int{node: 1}, settle: time.Second, asleep: true})
	return tl
}

func (tl tale) wipe(when float64) tale {
	tl.wipes = append(tl.wipes, at(when))
	return tl
}

func (tl tale) away(node int, from, to float64, sudden bool) tale {
	tl.absences = append(tl.absences, absence{node, at(from), at(to), sudden})
	return tl
}

// The checker finds what is wrong, and nothing else.
func TestChecker(t *testing.T) {
	first, second := shown{id: 0, healthy: true, edit: 1}, shown{id: 0, healthy: true, edit: 2}
	well, ill := shown{id: 0, healthy: true}, shown{id: 0}
	other := shown{id: 1, healthy: true}
	fresh := func() tale { return newTale(false) }
	// withOther has a second instance that keeps the service from being empty.
	withOther := func() tale {
		tl := fresh()
		in := tl.newInstance(0, false)
		in.wrote(write{op: register, ret: at(0.01), outcome: acked})
		return tl
	}
	for name, c := range map[string]struct {
		history tale
		want    []string
	}{
		"all is well":                       {fresh().life(20).list(0, 2, well).list(1, 3, well).list(2, 25, well), nil},
		"not listed by another node":        {withOther().life(20).list(1, 1.1, other), []string{lost}},
		"not listed yet":                    {withOther().life(20).list(1, 0.9, other), nil},
		"not listed by the one that it had": {withOther().life(20).list(0, 0.1, other), []string{ownWrite}},
		"empty":                             {fresh().life(20).list(1, 2), []string{lost, emptyList}},
		"empty before anything":             {fresh().write(register, 0, 5, acked).list(1, 2), nil},
		"not acknowledged":                  {fresh().write(register, 0, 0, maybe).list(1, 2), nil},
		"listed though not acknowledged":    {fresh().write(register, 0, 0, maybe).list(1, 2, well), nil},
		"never registered":                  {fresh().life(20).list(1, 2, well, shown{id: 7, healthy: true}), []string{unknown}},
		"in another service":                {fresh().life(20).list(1, 2, well, shown{id: -1, healthy: true}), []string{unknown}},
		"unhealthy while it beats":          {fresh().life(20).list(1, 22, ill), []string{unhealthy}},
		"unhealthy after its beats stopped": {fresh().life(0).list(1, 15.5, ill), nil},
		"unhealthy a little early":          {fresh().life(0).list(1, 13, ill), []string{unhealthy}},
		"healthy again after a beat":        {fresh().life(0).write(beat, 0, 20, acked).list(1, 20.5, ill).list(1, 22, well), nil},
		"still unhealthy after a beat":      {fresh().life(0).write(beat, 0, 20, acked).list(1, 22, ill), []string{unhealthy}},
		"a beat that was not answered":      {fresh().life(0).write(beat, 0, 10, maybe).list(1, 16, ill), nil},
		"gone early":                        {fresh().life(0).list(1, 28), []string{lost, emptyList}},
		"gone in time":                      {fresh().life(0).list(1, 31), nil},
		"undead":                            {fresh().life(0).list(1, 36, ill), []string{undead}},
		"undead after an owner's death":     {fresh().life(0).away(2, 20, 50, true).list(1, 50, ill), []string{undead}},
		"takes longer after a death":        {fresh().life(0).away(2, 20, 50, true).list(1, 40, ill), nil},
		"deregistered":                      {fresh().life(5).write(deregister, 0, 8, acked).list(1, 8.5, well).list(1, 9.5), nil},
		"ghost":                             {fresh().life(5).write(deregister, 0, 8, acked).list(1, 9.5, well), []string{ghost}},
		"ghost much later":                  {fresh().life(5).write(deregister, 0, 8, acked).list(1, 9.5).list(1, 60, well), []string{ghost}},
		"came back":                         {fresh().life(5).write(deregister, 0, 8, acked).write(register, 1, 9, acked).list(2, 10.5, well), nil},
		"did not come back":                 {withOther().life(5).write(deregister, 0, 8, acked).write(register, 1, 9, acked).list(2, 10.5, other), []string{lost}},
		"gone when asked to":                {fresh().life(5).write(deregister, 0, 8, maybe).list(1, 9), nil},
		"there though asked to go":          {fresh().life(5).write(deregister, 0, 8, maybe).list(1, 9, well), nil},
		"asked to go in vain":               {fresh().life(5).write(deregister, 0, 8, maybe).list(1, 60, ill), []string{undead}},
		"a late registration":               {fresh().write(register, 0, 0, maybe).write(deregister, 0, 1, acked).list(1, 4, well), nil},
		"a registration that is too late":   {fresh().write(register, 0, 0, maybe).write(deregister, 0, 1, acked).list(1, 60, well), []string{ghost}},
		"read failed":                       {fresh().life(5).error(1, 2), []string{failedRead}},
		"read failed while it was down":     {fresh().life(20).away(1, 1, 10, true).error(1, 2).error(1, 0.995).list(1, 11, well), nil},
		"read failed before it was down":    {fresh().life(20).away(1, 10, 20, true).error(1, 2), []string{failedRead}},
		"wrong while it is going down":      {withOther().life(20).away(1, 1, 10, false).list(1, 2, other), []string{lost}},
		"other side of a cut":               {withOther().write(register, 0, 5, acked).cut(2, 12, map[int]int{2: 1}).list(2, 11, other), nil},
		"other side, healed":                {withOther().write(register, 0, 5, acked).cut(2, 12, map[int]int{2: 1}).list(2, 23, other), []string{lost}},
		"cut soon after":                    {withOther().write(register, 0, 5, acked).cut(5.5, 12, map[int]int{2: 1}).list(2, 8, other), nil},
		"cut soon after, from the owner":    {withOther().write(register, 0, 5, acked).cut(5.5, 20, map[int]int{2: 1}).list(1, 8, other), nil},
		"cut long enough after":             {withOther().write(register, 0, 5, acked).cut(5.5, 20, map[int]int{2: 1}).list(1, 10, other), []string{lost}},
		"cut later":                         {withOther().write(register, 0, 5, acked).cut(7, 12, map[int]int{2: 1}).list(2, 8, other), []string{lost}},
		"this side of a cut":                {withOther().write(register, 0, 5, acked).cut(2, 12, map[int]int{2: 1}).list(1, 8, other), []string{lost}},
		"beats on the other side":           {fresh().write(register, 2, 0, acked).write(beat, 0, 10, acked).cut(2, 30, map[int]int{2: 1}).list(2, 17, ill), nil},
		"beats on this side":                {fresh().write(register, 2, 0, acked).write(beat, 2, 10, acked).cut(2, 30, map[int]int{2: 1}).list(2, 17, ill), []string{unhealthy}},
		"lost by the merge":                 {withOther().write(register, 0, 5, acked).cut(2, 12, map[int]int{2: 1}).list(1, 13, other), []string{lost + settlingMark}},
		"one beat lost by the merge":        {fresh().write(register, 0, 0, acked).write(beat, 2, 5, acked).cut(1, 6, map[int]int{2: 1}).list(1, 16, ill).list(1, 17, ill), nil},
		"two beats lost by the merge":       {fresh().write(register, 0, 0, acked).write(beat, 2, 12, acked).write(beat, 2, 15, acked).cut(1, 11, map[int]int{2: 1}).list(1, 21.9, ill), []string{unhealthy}},
		"ghost on the other side":           {fresh().life(5).write(deregister, 0, 8, acked).cut(7, 20, map[int]int{2: 1}).list(2, 25, ill), nil},
		"ghost after the heal":              {fresh().life(5).write(deregister, 0, 8, acked).cut(7, 20, map[int]int{2: 1}).list(2, 31, ill), []string{ghost}},
		"an end that comes late":            {fresh().life(5).write(deregister, 1, 8, maybe).write(deregister, 0, 9, acked).write(register, 0, 10, acked).list(1, 13), nil},
		"an end that cannot come so late":   {fresh().life(5).write(deregister, 1, 8, maybe).write(deregister, 0, 9, acked).write(register, 0, 20, acked).list(1, 23), []string{lost, emptyList}},
		"an end that slept":                 {fresh().life(5).sleep(1, 7, 19).write(deregister, 1, 8, maybe).write(deregister, 0, 9, acked).write(register, 0, 20, acked).list(1, 33), nil},
		"all died":                          {withOther().life(5).wipe(8).list(1, 9), nil},
		"all died before":                   {withOther().life(5).wipe(8).write(beat, 0, 10, acked).list(1, 12, other), []string{lost}},
		"persistent, all died":              {newTale(true).write(register, 0, 0, acked).wipe(8).list(1, 9), []string{lostSaved, emptyList}},
		"disabled":                          {fresh().disabled().life(5).list(1, 2), nil},
		"disabled, and listed":              {fresh().disabled().life(5).list(1, 2, well), []string{exposed}},
		"an edit":                           {fresh().life(5).edit(0, 6, acked).list(1, 6.5, well).list(1, 7.5, first), nil},
		"an edit that is not shown":         {fresh().life(5).edit(0, 6, acked).list(1, 7.5, well), []string{lostEdit}},
		"an edit that is undone":            {fresh().life(5).edit(0, 6, acked).edit(1, 7, acked).list(1, 8.5, second).list(2, 9, first), []string{lostEdit}},
		"an edit that comes late":           {fresh().life(5).edit(0, 6, maybe).edit(1, 7, acked).list(1, 9, first), nil},
		"an edit that may be ended":         {fresh().life(5).edit(0, 6, acked).list(1, 7.5, first).write(deregister, 2, 8, maybe).list(1, 9.5, well), nil},
		"an edit that nobody made":          {fresh().life(5).edit(0, 6, acked).list(1, 7.5, second), []string{torn}},
		"contents that do not fit":          {fresh().life(5).list(1, 7.5, shown{id: 0, healthy: true, torn: true}), []string{torn}},
		"an edit does not keep alive":       {fresh().life(0).edit(0, 20, acked).list(1, 36, first), []string{undead}},
		"persistent stays":                  {newTale(true).write(register, 0, 0, acked).list(1, 300, ill), nil},
		"persistent lost":                   {newTale(true).write(register, 0, 0, acked).list(1, 300), []string{lostSaved, emptyList}},
		"persistent ghost":                  {newTale(true).write(register, 0, 0, acked).write(deregister, 1, 9, acked).list(1, 300, ill), []string{ghost}},
	} {
		t.Run(name, func(t *testing.T) {
			v := c.history.check()
			want := map[string]bool{}
			for _, kind := range c.want {
				want[kind] = true
				if v.broken[kind] == 0 {
					t.Errorf("not found: %s", kind)
				}
			}
			for kind := range v.broken {
				if !want[kind] {
					t.Errorf("found: %s", kind)
				}
			}
			if t.Failed() {
				t.Log(v.samples)
			}
		})
	}
}
