package naming

import "encoding/json"

// Nacos's bounds of the intervals of server-side checks, in ms.
const (
	minCheckMin = 500
	minCheckMax = 3000
)

// minCache keeps clients from asking all the time, or at all: some read no negative number.
const minCache = 1000

// setBatch replaces all switches by those of a JSON object; what it does not name gets its
// default. As in Nacos it leaves out enableStandalone, healthCheckWhiteList and
// pushCSharpVersion, and here name and checksum, which are no switches.
func setBatch(s *Switches, v string) error {
	n := DefaultSwitches()
	if err := json.Unmarshal([]byte(v), &n); err != nil {
		return Invalid("the switches are no JSON object of the right shape: %w", err)
	}
	if n == nil { // "null"
		return Invalid("the switches are no JSON object: null")
	}
	if err := n.checkBatch(); err != nil {
		return err
	}
	n.EnableStandalone, n.HealthCheckWhiteList, n.PushCSharpVersion = s.EnableStandalone, s.HealthCheckWhiteList, s.PushCSharpVersion
	n.Name, n.Checksum = s.Name, s.Checksum
	if n.AdWeightMap == nil {
		n.AdWeightMap = map[string]int{}
	}
	if n.LimitedURLMap == nil {
		n.LimitedURLMap = map[string]int{}
	}
	if n.IncrementalList == nil {
		n.IncrementalList = []string{}
	}
	*s = *n
	return nil
}

// checkBatch refuses what Nacos refuses in a batch, in its order, and what would make the
// server useless whichever way it comes in.
func (s *Switches) checkBatch() error {
	http, tcp := s.HTTPHealthParams, s.TCPHealthParams
	switch {
	case http.Min < minCheckMin || tcp.Min < minCheckMin:
		return Invalid("min check time for http or tcp is too small(<%d)", minCheckMin)
	case http.Max < minCheckMax || tcp.Max < minCheckMax:
		return Invalid("max check time for http or tcp is too small(<%d)", minCheckMax)
	case http.Factor < 0 || http.Factor > 1 || tcp.Factor < 0 || tcp.Factor > 1:
		return Invalid("malformed factor")
	case s.ClientBeatInterval < 1:
		return Invalid("clientBeatInterval must be positive")
	case s.DefaultCacheMillis < minCache || s.DefaultPushCacheMillis < minCache:
		return Invalid("min default cache time  is too small(<%d)", minCache)
	}
	for _, status := range s.LimitedURLMap {
		if status <= 0 || status > 999 {
			return Invalid("illegal normal status code: %d", status)
		}
	}
	if o := s.OverriddenServerStatus; o != nil {
		return setServerStatus(s, *o)
	}
	return nil
}
