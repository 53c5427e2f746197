package naming

import (
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Set returns a copy of the switches with one entry changed (PUT /operator/switches of
// Nacos 2.0.3, SwitchManager.update); s stays as it is. An entry that does not exist
// changes nothing, as there. Errors: kind [KindInvalid], with Nacos's texts where Nacos has
// one; values that Nacos takes and then breaks at (beat intervals that are not positive,
// unknown server states, infinite numbers) are refused too.
func (s *Switches) Set(entry, value string) (*Switches, error) {
	c := s.clone()
	set := switchEntries[entry]
	if set == nil {
		return c, nil
	}
	if !utf8.ValidString(value) {
		return nil, Invalid("the value of switch %s is not valid UTF-8", entry)
	}
	if err := set(c, value); err != nil {
		return nil, err
	}
	return c, nil
}

// Hides reports whether setting an entry over now would hide what has changed from s to now.
func (s *Switches) Hides(now *Switches, entry, value string) (bool, error) {
	if s == nil || s == now {
		return false, nil
	}
	over, err := s.Set(entry, value)
	if err != nil {
		return false, err
	}
	overNow, err := now.Set(entry, value)
	if err != nil {
		return false, err
	}
	was, is := reflect.ValueOf(s).Elem(), reflect.ValueOf(now).Elem()
	wasOver, isOver := reflect.ValueOf(over).Elem(), reflect.ValueOf(overNow).Elem()
	same := func(a, b reflect.Value) bool { return reflect.DeepEqual(a.Interface(), b.Interface()) }
	for i := range was.NumField() {
		if !same(was.Field(i), is.Field(i)) && same(wasOver.Field(i), isOver.Field(i)) {
			return true, nil
		}
	}
	return false, nil
}

func (s *Switches) clone() *Switches {
	c := *s
	c.Masters, c.IncrementalList, c.HealthCheckWhiteList = slices.Clone(s.Masters), slices.Clone(s.IncrementalList), slices.Clone(s.HealthCheckWhiteList)
	c.AdWeightMap, c.LimitedURLMap = maps.Clone(s.AdWeightMap), maps.Clone(s.LimitedURLMap)
	if s.OverriddenServerStatus != nil {
		c.OverriddenServerStatus = new(*s.OverriddenServerStatus)
	}
	if s.Checksum != nil {
		c.Checksum = new(*s.Checksum)
	}
	return &c
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
		s.Masters = javaSplit(v, ",")
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
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return notNumber(v)
		}
		s.CheckTimes = int(n)
		return nil
	},
	"disableAddIP":             strictSwitch(func(s *Switches) *bool { return &s.DisableAddIP }),
	"sendBeatOnly":             strictSwitch(func(s *Switches) *bool { return &s.SendBeatOnly }),
	"limitedUrlMap":            setLimitedURLs,
	"enableStandalone":         func(*Switches, string) error { return nil }, // in Nacos, too, no value changes it
	"overriddenServerStatus":   setServerStatus,
	"defaultInstanceEphemeral": strictSwitch(func(s *Switches) *bool { return &s.DefaultInstanceEphemeral }),
	"distroServerExpiredMillis": func(s *Switches, v string) error {
		return setInt(&s.DistroServerExpiredMillis, v, -1<<63, "")
	},
	"lightBeatEnabled":             looseSwitch(func(s *Switches) *bool { return &s.LightBeatEnabled }),
	"autoChangeHealthCheckEnabled": looseSwitch(func(s *Switches) *bool { return &s.AutoChangeHealthCheckEnabled }),
	"doubleWriteEnabled":           looseSwitch(func(s *Switches) *bool { return &s.DoubleWriteEnabled }),
}

// strictSwitch takes "true" in any case for true and all else for false.
func strictSwitch(field func(*Switches) *bool) func(*Switches, string) error {
	return func(s *Switches, v string) error {
		*field(s) = strings.EqualFold(v, "true")
		return nil
	}
}

// looseSwitch knows more words for true.
func looseSwitch(field func(*Switches) *bool) func(*Switches, string) error {
	return func(s *Switches, v string) error {
		*field(s) = slices.Contains([]string{"y", "yes", "on", "true", "t"}, strings.ToLower(v))
		return nil
	}
}

// notNumber is what Java says to text that is no number.
func notNumber(v string) error { return Invalid("For input string: %q", cut(v)) }

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
	if v == "" {
		return Invalid("empty String") // for floats Java has another text
	}
	f, err := strconv.ParseFloat(v, 32)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return notNumber(v)
	}
	if f <= 0 {
		text := strconv.FormatFloat(f, 'f', -1, 32)
		if !strings.Contains(text, ".") {
			text += ".0" // as Java prints it
		}
		return Invalid("distroThreshold can not be zero or negative: %s", text)
	}
	s.DistroThreshold, _ = strconv.ParseFloat(v, 64) // 0.6, not the 0.6000000238 nearest to it
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
		return Invalid("unsupported client type: %s", cut(kind))
	}
	return nil
}

func setLimitedURLs(s *Switches, v string) error {
	if v == "" {
		return nil
	}
	limits := map[string]int{}
	for _, entry := range javaSplit(v, ",") {
		parts := javaSplit(entry, ":")
		if len(parts) < 2 {
			return Invalid("invalid input for limited urls")
		}
		prefix, status := parts[0], parts[1]
		if prefix == "" {
			return Invalid("url can not be empty, url: %s", prefix)
		}
		n, err := strconv.ParseInt(status, 10, 32)
		if err != nil {
			return notNumber(status)
		}
		// Nacos takes what is more than 999 too; it is no status that can be answered.
		if n <= 0 || n > 999 {
			return Invalid("illegal normal status code: %d", n)
		}
		limits[prefix] = int(n)
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
