package http

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"nactor/naming/upgrade/switchover"
	"nactor/naming/wire"
)

// Upgrade tells where the cluster is on its way from 1.X to 2.0.
type Upgrade interface {
	// UpgradeMetrics returns this node's counts; it costs a walk over all services.
	UpgradeMetrics() UpgradeMetrics
	// ExplainUpgrade returns what the coordinator of the upgrade knows. Error kind
	// naming.KindUnavailable when it did not answer before ctx ended.
	ExplainUpgrade(ctx context.Context) (switchover.Explanation, error)
}

// UpgradeMetrics is the answer of upgrade/ops/metrics, in Nacos's order.
type UpgradeMetrics struct {
	Upgraded        bool // goes by 2.0
	All20X          bool // no member of 1.X
	DoubleWrite     bool
	DelayTasks      int // services with a double write that waits
	Services1       int
	Instances1      int
	Services2       int
	Instances2      int
	Subscribers2    int
	OwnServices1    int // that this node is responsible for
	OwnInstances1   int
	Ephemeral2      int // services, as the next
	Persistent2     int
	EphemeralInst2  int
	PersistentInst2 int
	Only1, Only2    []string // namespace##group@@service, of those that this node is responsible for
}

// upgradeMetrics answers in the format of Nacos 2.0.2: lines of "key = value", or the same
// as JSON.
func (r *request) upgradeMetrics() error {
	asJSON := r.springBool("json", false)
	if r.err != nil {
		return r.err
	}
	m := r.s.cfg.Upgrade.UpgradeMetrics()
	rows := []struct {
		key   string
		value any // bool, int or string
	}{
		{"upgraded", m.Upgraded}, {"isAll20XVersion", m.All20X}, {"isDoubleWriteEnabled", m.DoubleWrite},
		{"doubleWriteDelayTaskCount", m.DelayTasks},
		{"serviceCountV1", m.Services1}, {"instanceCountV1", m.Instances1},
		{"serviceCountV2", m.Services2}, {"instanceCountV2", m.Instances2}, {"subscribeCountV2", m.Subscribers2},
		{"responsibleServiceCountV1", m.OwnServices1}, {"responsibleInstanceCountV1", m.OwnInstances1},
		{"ephemeralServiceCountV2", m.Ephemeral2}, {"persistentServiceCountV2", m.Persistent2},
		{"ephemeralInstanceCountV2", m.EphemeralInst2}, {"persistentInstanceCountV2", m.PersistentInst2},
		{"service.V1.not.in.V2", strings.Join(m.Only1, "\n")}, {"service.V2.not.in.V1", strings.Join(m.Only2, "\n")},
	}
	b := r.begin()
	if !asJSON {
		for _, row := range rows {
			b = fmt.Appendf(b, "%-30s = ", row.key)
			switch v := row.value.(type) {
			case int:
				b = fmt.Appendf(b, "%5d", v)
			default:
				b = fmt.Append(b, v)
			}
			b = append(b, '\n')
		}
		r.text(string(b))
		return nil
	}
	for i, row := range rows {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		b = append(wire.AppendString(append(b, sep), row.key), ':')
		switch v := row.value.(type) {
		case int:
			b = strconv.AppendInt(b, int64(v), 10)
		case bool:
			b = strconv.AppendBool(b, v)
		case string:
			b = wire.AppendString(b, v)
		}
	}
	r.json(append(b, '}'))
	return nil
}

// explainUpgrade answers what Nacos does not tell: why a cluster does not switch.
func (r *request) explainUpgrade() error {
	ctx, cancel := context.WithTimeout(context.Background(), inspectTimeout)
	defer cancel()
	e, err := r.s.cfg.Upgrade.ExplainUpgrade(ctx)
	if err != nil {
		return err
	}
	return r.marshal(e)
}
