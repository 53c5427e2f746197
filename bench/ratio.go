package bench

import (
	"fmt"
	"slices"
)

// ratios returns how the values of each round compare to a base of the same round.
func ratios(values, base []float64) []float64 {
	var out []float64
	for i, v := range values {
		if i < len(base) && base[i] > 0 {
			out = append(out, v/base[i])
		}
	}
	return out
}

// spread tells between which values the middle half of some lies.
func spread(v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	v = slices.Sorted(slices.Values(v))
	return fmt.Sprintf("%.2f–%.2f", v[len(v)/4], v[len(v)-1-len(v)/4])
}

// met tells whether what was asked for is there.
func met(ok bool) string {
	if ok {
		return "met"
	}
	return "MISSED"
}
