package upgrade

import (
	"encoding/json"
	"fmt"
	"time"

	"nactor/actors/actorpb"
	"nactor/naming"
	"nactor/naming/upgrade/switchover"
)

func toReport(r switchover.Report) *actorpb.UpgradeReport {
	m := &actorpb.UpgradeReport{
		Process: r.Process, Applied: r.Applied.Encode(), Round: r.Round, Ready: r.Ready, Reasons: r.Reasons,
		Services: uint64(r.Services), Pending: uint64(r.Pending), OldestPending: int64(r.OldestPending), Without_1X: r.Without1X,
	}
	for _, d := range r.Differing {
		m.Differing = append(m.Differing, &actorpb.UpgradeDiffering{Service: d.Service, Differences: d.Differences})
	}
	return m
}

func fromReport(from string, m *actorpb.UpgradeReport) (switchover.Report, error) {
	state, err := switchover.Decode(m.Applied)
	r := switchover.Report{
		Node: from, Process: m.Process, Applied: state, Round: m.Round, Ready: m.Ready, Reasons: m.Reasons,
		Services: int(m.Services), Pending: int(m.Pending), OldestPending: time.Duration(m.OldestPending), Without1X: m.Without_1X,
	}
	for _, d := range m.Differing {
		r.Differing = append(r.Differing, switchover.Differing{Service: d.Service, Differences: d.Differences})
	}
	return r, err
}

func toAnswer(id uint64, err error) *actorpb.UpgradeAnswer {
	a := &actorpb.UpgradeAnswer{Id: id}
	if err != nil {
		a.Kind, a.Error = uint32(naming.KindOf(err)), err.Error()
	}
	return a
}

func toExplanation(id uint64, e switchover.Explanation) *actorpb.UpgradeAnswer {
	b, err := json.Marshal(e)
	a := toAnswer(id, err)
	a.Explanation = b
	return a
}

func fromExplanation(a *actorpb.UpgradeAnswer) (e switchover.Explanation, err error) {
	if err := json.Unmarshal(a.Explanation, &e); err != nil {
		return e, fmt.Errorf("read the coordinator's explanation: %w", err)
	}
	return e, nil
}
