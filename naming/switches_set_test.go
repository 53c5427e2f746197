package naming

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestSetSwitch(t *testing.T) {
	// field reads back what an entry sets, as GET /operator/switches shows it.
	for _, c := range []struct {
		entry, value string
		field, want  string // JSON name and value afterwards
		err          string
	}{
		{"distroThreshold", "0.6", "distroThreshold", "0.6", ""},
		{"distroThreshold", "0", "", "", "distroThreshold can not be zero or negative: 0.0"},
		{"distroThreshold", "-1.5", "", "", "distroThreshold can not be zero or negative: -1.5"},
		{"distroThreshold", "NaN", "", "", `For input string: "NaN"`},
		{"distroThreshold", "1e99", "", "", `For input string: "1e99"`},
		{"distroThreshold", "", "", "", "empty String"},

		{"clientBeatInterval", "2000", "clientBeatInterval", "2000", ""},
		{"clientBeatInterval", "0", "", "", "clientBeatInterval must be positive"},
		{"clientBeatInterval", "x", "", "", `For input string: "x"`},

		{"pushVersion", "java:1.2.3", "pushJavaVersion", `"1.2.3"`, ""},
		{"pushVersion", "python:1.2.3", "pushPythonVersion", `"1.2.3"`, ""},
		{"pushVersion", "c:1.2.3", "pushCVersion", `"1.2.3"`, ""},
		{"pushVersion", "go:1.2.3", "pushGoVersion", `"1.2.3"`, ""},
		{"pushVersion", "csharp:1.2.3", "", "", "unsupported client type: csharp"},
		{"pushVersion", "java:1.2", "", "", `illegal version, must match: [0-9]+\.[0-9]+\.[0-9]+`},
		{"pushVersion", "java", "", "", `illegal version, must match: [0-9]+\.[0-9]+\.[0-9]+`},

		{"pushCacheMillis", "10000", "defaultPushCacheMillis", "10000", ""},
		{"pushCacheMillis", "9999", "", "", "min cache time for http or tcp is too small(<10000)"},
		{"defaultCacheMillis", "1000", "defaultCacheMillis", "1000", ""},
		{"defaultCacheMillis", "999", "", "", "min default cache time  is too small(<1000)"},
		{"masters", "a,b,", "masters", `["a","b"]`, ""},

		{"distro", "TRUE", "distroEnabled", "true", ""},
		{"distro", "yes", "distroEnabled", "false", ""},
		{"check", "false", "healthCheckEnabled", "false", ""},
		{"check", "on", "healthCheckEnabled", "false", ""},
		{"pushEnabled", "no", "pushEnabled", "false", ""},
		{"disableAddIP", "true", "disableAddIP", "true", ""},
		{"sendBeatOnly", "true", "sendBeatOnly", "true", ""},
		{"defaultInstanceEphemeral", "", "defaultInstanceEphemeral", "false", ""},
		{"lightBeatEnabled", "nope", "lightBeatEnabled", "false", ""},
		{"lightBeatEnabled", "Y", "lightBeatEnabled", "true", ""},
		{"autoChangeHealthCheckEnabled", "on", "autoChangeHealthCheckEnabled", "true", ""},
		{"autoChangeHealthCheckEnabled", "1", "autoChangeHealthCheckEnabled", "false", ""},
		{"doubleWriteEnabled", "false", "doubleWriteEnabled", "false", ""},
		{"doubleWriteEnabled", "Yes", "doubleWriteEnabled", "true", ""},

		{"serviceStatusSynchronizationPeriodMillis", "5000", "serviceStatusSynchronizationPeriodMillis", "5000", ""},
		{"serviceStatusSynchronizationPeriodMillis", "4999", "", "", "serviceStatusSynchronizationPeriodMillis is too small(<5000)"},
		{"serverStatusSynchronizationPeriodMillis", "1000", "serverStatusSynchronizationPeriodMillis", "1000", ""},
		{"serverStatusSynchronizationPeriodMillis", "999", "", "", "serverStatusSynchronizationPeriodMillis is too small(<15000)"},

		{"healthCheckTimes", "5", "checkTimes", "5", ""},
		{"healthCheckTimes", "99999999999", "", "", `For input string: "99999999999"`},
		{"distroServerExpiredMillis", "-1", "distroServerExpiredMillis", "-1", ""},
		{"distroServerExpiredMillis", "1s", "", "", `For input string: "1s"`},

		{"limitedUrlMap", "/a:403,/b:200:x,", "limitedUrlMap", `{"/a":403,"/b":200}`, ""},
		{"limitedUrlMap", "", "limitedUrlMap", `{"/old":404}`, ""},
		{"limitedUrlMap", "/a", "", "", "invalid input for limited urls"},
		{"limitedUrlMap", ":200", "", "", "url can not be empty, url: "},
		{"limitedUrlMap", "/a:0", "", "", "illegal normal status code: 0"},
		{"limitedUrlMap", "/a:1000", "", "", "illegal normal status code: 1000"},
		{"limitedUrlMap", "/a:b", "", "", `For input string: "b"`},

		{"enableStandalone", "false", "enableStandalone", "true", ""},
		{"enableStandalone", "", "enableStandalone", "true", ""},

		{"overriddenServerStatus", "READ_ONLY", "overriddenServerStatus", `"READ_ONLY"`, ""},
		{"overriddenServerStatus", "null", "overriddenServerStatus", "null", ""},
		{"overriddenServerStatus", "up", "", "", "overriddenServerStatus must be one of UP, DOWN, STARTING, PAUSED, WRITE_ONLY, READ_ONLY, or null to lift it"},

		{"nonsense", "1", "checkTimes", "3", ""},
		{"masters", "\xff", "", "", "the value of switch masters is not valid UTF-8"},
	} {
		t.Run(c.entry+"="+c.value, func(t *testing.T) {
			s := DefaultSwitches()
			s.LimitedURLMap["/old"] = 404
			before := fields(t, s)
			got, err := s.Set(c.entry, c.value)
			if after := fields(t, s); !reflect.DeepEqual(after, before) {
				t.Errorf("the original was changed: %v", after)
			}
			if c.err != "" {
				if err == nil || err.Error() != c.err || KindOf(err) != KindInvalid {
					t.Errorf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			after := fields(t, got)
			if after[c.field] != c.want {
				t.Errorf("%s is %s, want %s", c.field, after[c.field], c.want)
			}
			after[c.field] = before[c.field]
			if !reflect.DeepEqual(after, before) {
				t.Errorf("other fields changed: %v, were %v", after, before)
			}
		})
	}
}

func fields(t *testing.T, s *Switches) map[string]string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for k, v := range raw {
		out[k] = string(v)
	}
	return out
}

func TestSetBatch(t *testing.T) {
	s := DefaultSwitches()
	s.EnableStandalone, s.PushCSharpVersion, s.HealthCheckWhiteList, s.CheckTimes = false, "1.1.1", []string{"w"}, 9
	got, err := s.Set("batch", `{"name":"x","checksum":"x","enableStandalone":true,"pushCSharpVersion":"9.9.9","healthCheckWhiteList":["z"],
		"tcpHealthParams":{"max":4000,"min":600,"factor":0.5},"pushEnabled":false,"limitedUrlMap":null,"unknown":1,"mysqlHealthParams":{"max":1,"min":1,"factor":7}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultSwitches() // what is not named gets its default: checkTimes too
	want.EnableStandalone, want.PushCSharpVersion, want.HealthCheckWhiteList = false, "1.1.1", []string{"w"}
	want.TCPHealthParams, want.PushEnabled, want.MySQLHealthParams = HealthParams{4000, 600, 0.5}, false, HealthParams{1, 1, 7}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for value, message := range map[string]string{
		`{"httpHealthParams":{"max":100,"min":499,"factor":1}}`:                                                     "min check time for http or tcp is too small(<500)",
		`{"httpHealthParams":{"max":100,"min":500,"factor":9},"tcpHealthParams":{"max":9000,"min":499,"factor":1}}`: "min check time for http or tcp is too small(<500)",
		`{"tcpHealthParams":{"max":2999,"min":500,"factor":2}}`:                                                     "max check time for http or tcp is too small(<3000)",
		`{"httpHealthParams":{"max":3000,"min":500,"factor":1.1}}`:                                                  "malformed factor",
		`{"tcpHealthParams":{"max":3000,"min":500,"factor":-0.1}}`:                                                  "malformed factor",
		`{"clientBeatInterval":0}`:                                                                                  "clientBeatInterval must be positive",
		`{"defaultCacheMillis":999}`:                                                                                "min default cache time  is too small(<1000)",
		`{"defaultPushCacheMillis":-1}`:                                                                             "min default cache time  is too small(<1000)",
		`{"limitedUrlMap":{"/":0}}`:                                                                                 "illegal normal status code: 0",
		`{"overriddenServerStatus":"SIDEWAYS"}`:                                                                     "overriddenServerStatus must be one of",
		`null`:                                                                                                      "no JSON object",
		`{`:                                                                                                         "no JSON object",
		`{"checkTimes":"many"}`:                                                                                     "no JSON object",
	} {
		if _, err := s.Set("batch", value); err == nil || !strings.Contains(err.Error(), message) || KindOf(err) != KindInvalid {
			t.Errorf("%s: %v, want %s", value, err, message)
		}
	}
}

// A copy shares nothing with its original: whoever holds one of them sees no change.
func TestSetCopies(t *testing.T) {
	s := DefaultSwitches()
	s.Masters, s.IncrementalList, s.HealthCheckWhiteList = []string{"m"}, []string{"i"}, []string{"h"}
	s.AdWeightMap["a"], s.LimitedURLMap["/"] = 1, 404
	s.OverriddenServerStatus, s.Checksum = new("UP"), new("c")
	c, err := s.Set("nonsense", "")
	if err != nil || !reflect.DeepEqual(c, s) {
		t.Fatalf("%+v %v, want %+v", c, err, s)
	}
	c.Masters[0], c.IncrementalList[0], c.HealthCheckWhiteList[0] = "x", "x", "x"
	c.AdWeightMap["a"], c.LimitedURLMap["/"] = 2, 2
	*c.OverriddenServerStatus, *c.Checksum = "x", "x"
	if s.Masters[0] != "m" || s.IncrementalList[0] != "i" || s.HealthCheckWhiteList[0] != "h" || s.AdWeightMap["a"] != 1 || s.LimitedURLMap["/"] != 404 || *s.OverriddenServerStatus != "UP" || *s.Checksum != "c" {
		t.Errorf("shared: %+v", s)
	}
}

func TestSubscriptionTTL(t *testing.T) {
	for millis, want := range map[int64]time.Duration{0: 30 * time.Second, 10000: 30 * time.Second, 20000: 40 * time.Second, math.MaxInt64: 48 * time.Hour} {
		if got := (&Switches{DefaultPushCacheMillis: millis}).SubscriptionTTL(); got != want {
			t.Errorf("%d ms: %v, want %v", millis, got, want)
		}
	}
}

// An entry over switches that change hides the change exactly when it sets the same.
func TestHides(t *testing.T) {
	for _, c := range []struct {
		changed, over [2]string
		want          bool
	}{
		{[2]string{"check", "false"}, [2]string{"check", "true"}, true},
		{[2]string{"check", "false"}, [2]string{"check", "false"}, true},
		{[2]string{"check", "false"}, [2]string{"pushEnabled", "false"}, false},
		{[2]string{"check", "true"}, [2]string{"check", "false"}, false}, // nothing changed
		{[2]string{"check", "false"}, [2]string{"batch", "{}"}, true},
		{[2]string{"limitedUrlMap", "/a:1"}, [2]string{"limitedUrlMap", "/b:1"}, true},
		{[2]string{"limitedUrlMap", "/a:1"}, [2]string{"limitedUrlMap", ""}, false}, // which sets nothing
		{[2]string{"masters", "a"}, [2]string{"nonsense", ""}, false},
	} {
		was := DefaultSwitches()
		is, err := was.Set(c.changed[0], c.changed[1])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := was.Hides(is, c.over[0], c.over[1]); got != c.want || err != nil {
			t.Errorf("%v over %v: %v %v", c.over, c.changed, got, err)
		}
	}
	if _, err := DefaultSwitches().Hides(DefaultSwitches(), "healthCheckTimes", "x"); err == nil {
		t.Error("a wrong value hides nothing?")
	}
	if got, err := (*Switches)(nil).Hides(DefaultSwitches(), "check", "x"); got || err != nil {
		t.Error("something was hidden before there was anything")
	}
}
