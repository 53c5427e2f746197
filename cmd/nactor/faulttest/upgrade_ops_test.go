package faulttest

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// explanation is what a node says about where the upgrade stands.
type explanation struct {
	Mode        string
	Epoch       int
	DoubleWrite bool
	DecidedAt   string
	Cause       string
	Phase       string
	WaitsFor    []string
	Members     []struct {
		ID, Address, Version, Status string
		Ready                        *bool
		Mode                         string
		Epoch                        int
		ReportAge                    string
		Reasons                      []string
		Services, Pending            int
		OldestPending                string
		Differing                    []struct {
			Service     string
			Differences []string
		}
	}
}

func (e *endpoint) explain() (x explanation, err error) {
	err = e.get("/v1/ns/upgrade/ops/explain", &x)
	return x, err
}

// equal tells in which services the two structures differ, or which double writes wait; nil
// when it is none.
func (x explanation) equal() error {
	for _, m := range x.Members {
		if m.Pending > 0 || len(m.Differing) > 0 {
			return fmt.Errorf("%s: %d double writes wait, these differ: %v", m.Address, m.Pending, m.Differing)
		}
	}
	return nil
}

// counts are the metrics of the upgrade.
type counts struct {
	Upgraded        bool `json:"upgraded"`
	All20X          bool `json:"isAll20XVersion"`
	DoubleWrite     bool `json:"isDoubleWriteEnabled"`
	Pending         int  `json:"doubleWriteDelayTaskCount"`
	Services1       int  `json:"serviceCountV1"`
	Instances1      int  `json:"instanceCountV1"`
	Services2       int  `json:"serviceCountV2"`
	Instances2      int  `json:"instanceCountV2"`
	Subscribers2    int  `json:"subscribeCountV2"`
	OwnServices1    int  `json:"responsibleServiceCountV1"`
	OwnInstances1   int  `json:"responsibleInstanceCountV1"`
	Ephemeral2      int  `json:"ephemeralServiceCountV2"`
	Persistent2     int  `json:"persistentServiceCountV2"`
	EphemeralInsts2 int  `json:"ephemeralInstanceCountV2"`
	PersistInsts2   int  `json:"persistentInstanceCountV2"`

	Only1 string `json:"service.V1.not.in.V2"`
	Only2 string `json:"service.V2.not.in.V1"`
}

func (e *endpoint) counts() (c counts, err error) {
	err = e.get("/v1/ns/upgrade/ops/metrics?json=true", &c)
	return c, err
}

// metricKeys are the lines of the metrics, in this order.
var metricKeys = []string{
	"upgraded", "isAll20XVersion", "isDoubleWriteEnabled", "doubleWriteDelayTaskCount",
	"serviceCountV1", "instanceCountV1", "serviceCountV2", "instanceCountV2", "subscribeCountV2",
	"responsibleServiceCountV1", "responsibleInstanceCountV1",
	"ephemeralServiceCountV2", "persistentServiceCountV2", "ephemeralInstanceCountV2", "persistentInstanceCountV2",
	"service.V1.not.in.V2", "service.V2.not.in.V1",
}

var countForm = regexp.MustCompile(`^ *\d+$`)

// metricsForm tells what is wrong with the form of the metrics as text.
func (e *endpoint) metricsForm() error {
	var text string
	if err := e.do(http.MethodGet, "/v1/ns/upgrade/ops/metrics", nil, readTime, func(body []byte) error {
		text = string(body)
		return nil
	}); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != len(metricKeys) {
		return fmt.Errorf("%d lines, want %d:\n%s", len(lines), len(metricKeys), text)
	}
	for i, key := range metricKeys {
		value, ok := strings.CutPrefix(lines[i], fmt.Sprintf("%-30s = ", key))
		switch {
		case !ok:
			return fmt.Errorf("line %q, want the key %s", lines[i], key)
		case i < 3:
			if _, err := strconv.ParseBool(value); err != nil {
				return fmt.Errorf("line %q: %w", lines[i], err)
			}
		case strings.Contains(key, "Count") && (!countForm.MatchString(value) || len(value) < 5):
			return fmt.Errorf("line %q: want a number, five wide", lines[i])
		}
	}
	return nil
}

// closeDoubleWrite asks a node to close double write.
func (e *endpoint) closeDoubleWrite() error { return e.setDoubleWrite(false) }

func (e *endpoint) setDoubleWrite(on bool) error {
	return e.do(http.MethodPut, fmt.Sprintf("/v1/ns/operator/switches?entry=doubleWriteEnabled&value=%v", on), nil, 2*writeTime, nil)
}
