package naming

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Set returns a copy of the switches with one entry changed (PUT /operator/switches of
// Nacos 2.0.3, SwitchManager.update). An entry that does not exist changes nothing, as
// there. Errors: kind [KindInvalid] with Nacos's texts.
func (s *Switches) Set(entry, value string) (*Switches, error) {
	set := switchEntries[entry]
	if set == nil {
		return s, nil
	}
	c := *s
	c.LimitedURLMap = maps.Clone(s.LimitedURLMap)
	if err := set(&c, value); err != nil {
		return nil, err
	}
	return &c, nil
}

var switchEntries = map[string]func(*Switches, string) error{
	"batch":           setBatch,
	"distroThreshold": setDistroThreshold,
	"clientBeatInterval": func(s *Switches, v string) error {
		return setInt(&s.ClientBeatInterval, v, 1, "clientBeatInterval must be positive")
	},
	"pushVersion": setPushVersion,
	"pushCacheMillis": func(s *Switches, v string) error {
		return setInt(&s.DefaultPushCacheMillis, v, 10000, "min cache time for http or tcp is too small(<10000)")
	},
	"defaultCacheMillis": func(s *Switches, v string) error {
		return setInt(&s.DefaultCacheMillis, v, 1000, "min default cache time  is too small(<1000)")
	},
	"masters": func(s *Switches, v string) error {
		s.Masters = strings.Split(v, ",")
		return nil
	},
	"distro":      strictSwitch(func(s *Switches) *bool { return &s.DistroEnabled }),
	"check":       strictSwitch(func(s *Switches) *bool { return &s.HealthCheckEnabled }),
	"pushEnabled": strictSwitch(func(s *Switches) *bool { return &s.PushEnabled }),
	"serviceStatusSynchronizationPeriodMillis": func(s *Switches, v string) error {
		return setInt(&s.ServiceStatusSynchronizationPeriodMillis, v, 5000, "serviceStatusSynchronizationPeriodMillis is too small(<5000)")
	},
	// Nacos's text names 15000 and its check 1000.
	"serverStatusSynchronizationPeriodMillis": func(s *Switches, v string) error {
		return setInt(&s.ServerStatusSynchronizationPeriodMillis, v, 1000, "serverStatusSynchronizationPeriodMillis is too small(<15000)")
	},
	"healthCheckTimes": func(s *Switches, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return notNumber(v)
		}
		s.CheckTimes = n
		return nil
	},
	"disableAddIP":             strictSwitch(func(s *Switches) *bool { return &s.DisableAddIP }),
	"sendBeatOnly":             strictSwitch(func(s *Switches) *bool { return &s.SendBeatOnly }),
	"limitedUrlMap":            setLimitedURLs,
	"enableStandalone":         func(*Switches, string) error { return nil },
	"overriddenServerStatus":   setServerStatus,
	"defaultInstanceEphemeral": strictSwitch(func(s *Switches) *bool { return &s.DefaultInstanceEphemeral }),
	"distroServerExpiredMillis": func(s *Switches, v string) error {
		return setInt(&s.DistroServerExpiredMillis, v, -1<<63, "")
	},
	"lightBeatEnabled":             looseSwitch(func(s *Switches) *bool { return &s.LightBeatEnabled }),
	"autoChangeHealthCheckEnabled": looseSwitch(func(s *Switches) *bool { return &s.AutoChangeHealthCheckEnabled }),
	"doubleWriteEnabled":           looseSwitch(func(s *Switches) *bool { return &s.DoubleWriteEnabled }),
}

func strictSwitch(field func(*Switches) *bool) func(*Switches, string) error {
	return func(s *Switches, v string) error {
		*field(s) = strings.EqualFold(v, "true")
		return nil
	}
}

func looseSwitch(field func(*Switches) *bool) func(*Switches, string) error {
	return func(s *Switches, v string) error {
		*field(s) = slices.Contains([]string{"y", "yes", "on", "true", "t"}, strings.ToLower(v))
		return nil
	}
}

func notNumber(v string) error { return Invalid("For input string: %q", v) }

// setInt sets a number of at least least; tooSmall is what to say to a smaller one.
func setInt(field *int64, v string, least int64, tooSmall string) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return notNumber(v)
	}
	if n < least {
		return Invalid("%s", tooSmall)
	}
	*field = n
	return nil
}

func setDistroThreshold(s *Switches, v string) error {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return notNumber(v)
	}
	if !(f > 0) {
		return Invalid("distroThreshold can not be zero or negative: %v", f)
	}
	s.DistroThreshold = f
	return nil
}

var versionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)

func setPushVersion(s *Switches, v string) error {
	kind, version, _ := strings.Cut(v, ":")
	if !versionPattern.MatchString(version) {
		return Invalid(`illegal version, must match: [0-9]+\.[0-9]+\.[0-9]+`)
	}
	switch kind {
	case "java":
		s.PushJavaVersion = version
	case "python":
		s.PushPythonVersion = version
	case "c":
		s.PushCVersion = version
	case "go":
		s.PushGoVersion = version
	default:
		return Invalid("unsupported client type: %s", kind)
	}
	return nil
}

func setLimitedURLs(s *Switches, v string) error {
	if v == "" {
		return nil
	}
	limits := map[string]int{}
	for entry := range strings.SplitSeq(v, ",") {
		prefix, status, ok := strings.Cut(entry, ":")
		if !ok {
			return Invalid("invalid input for limited urls")
		}
		n, err := strconv.Atoi(status)
		switch {
		case prefix == "":
			return Invalid("url can not be empty, url: %s", prefix)
		case err != nil:
			return notNumber(status)
		case n <= 0 || n > 999:
			return Invalid("illegal normal status code: %d", n)
		}
		limits[prefix] = n
	}
	s.LimitedURLMap = limits
	return nil
}

// serverStates are the states that the server may be forced to be in. Nacos takes any
// text and fails at the next refresh.
var serverStates = []string{"UP", "DOWN", "STARTING", "PAUSED", "WRITE_ONLY", "READ_ONLY"}

func setServerStatus(s *Switches, v string) error {
	if v == "" || v == "null" {
		s.OverriddenServerStatus = nil
		return nil
	}
	if !slices.Contains(serverStates, v) {
		return Invalid("overriddenServerStatus must be one of %s, or null to lift it", strings.Join(serverStates, ", "))
	}
	s.OverriddenServerStatus = &v
	return nil
}

// setBatch replaces all switches; what the JSON does not name gets its default.
func setBatch(s *Switches, v string) error {
	n := DefaultSwitches()
	if err := json.Unmarshal([]byte(v), n); err != nil {
		return Invalid("switches are no JSON of the right shape: %s", err)
	}
	for _, p := range []HealthParams{n.HTTPHealthParams, n.TCPHealthParams} {
		switch {
		case p.Min < 500:
			return Invalid("min check time for http or tcp is too small(<500)")
		case p.Max < 3000:
			return Invalid("max check time for http or tcp is too small(<3000)")
		}
	}
	for _, p := range []HealthParams{n.HTTPHealthParams, n.TCPHealthParams, n.MySQLHealthParams} {
		if !(p.Factor >= 0 && p.Factor <= 1) {
			return Invalid("malformed factor")
		}
	}
	if o := n.OverriddenServerStatus; o != nil {
		if err := setServerStatus(n, *o); err != nil {
			return err
		}
	}
	n.EnableStandalone = s.EnableStandalone
	*s = *n
	return nil
}
