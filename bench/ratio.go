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

// spread tells between which values some lie.
func spread(v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f–%.2f", slices.Min(v), slices.Max(v))
}

// met tells whether what was asked for is there.
func met(ok bool) string {
	if ok {
		return "met"
	}
	return "MISSED"
}
