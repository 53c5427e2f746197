package naming

import "time"

// HealthParams bound the adaptive interval of one kind of server-side check, in ms.
type HealthParams struct {
	Max    int     `json:"max"`
	Min    int     `json:"min"`
	Factor float64 `json:"factor"`
}

// Switches is Nacos's SwitchDomain: cluster-wide settings that operators change at run
// time. The JSON names are the ones of GET /operator/switches. Immutable once published.
type Switches struct {
	Masters                                  []string       `json:"masters"`
	AdWeightMap                              map[string]int `json:"adWeightMap"`
	DefaultPushCacheMillis                   int64          `json:"defaultPushCacheMillis"`
	ClientBeatInterval                       int64          `json:"clientBeatInterval"`
	DefaultCacheMillis                       int64          `json:"defaultCacheMillis"`
	DistroThreshold                          float64        `json:"distroThreshold"`
	HealthCheckEnabled                       bool           `json:"healthCheckEnabled"`
	AutoChangeHealthCheckEnabled             bool           `json:"autoChangeHealthCheckEnabled"`
	DistroEnabled                            bool           `json:"distroEnabled"`
	EnableStandalone                         bool           `json:"enableStandalone"`
	PushEnabled                              bool           `json:"pushEnabled"`
	CheckTimes                               int            `json:"checkTimes"`
	HTTPHealthParams                         HealthParams   `json:"httpHealthParams"`
	TCPHealthParams                          HealthParams   `json:"tcpHealthParams"`
	MySQLHealthParams                        HealthParams   `json:"mysqlHealthParams"`
	IncrementalList                          []string       `json:"incrementalList"`
	ServerStatusSynchronizationPeriodMillis  int64          `json:"serverStatusSynchronizationPeriodMillis"`
	ServiceStatusSynchronizationPeriodMillis int64          `json:"serviceStatusSynchronizationPeriodMillis"`
	DisableAddIP                             bool           `json:"disableAddIP"`
	SendBeatOnly                             bool           `json:"sendBeatOnly"`
	LightBeatEnabled                         bool           `json:"lightBeatEnabled"`
	DoubleWriteEnabled                       bool           `json:"doubleWriteEnabled"`
	LimitedURLMap                            map[string]int `json:"limitedUrlMap"`
	DistroServerExpiredMillis                int64          `json:"distroServerExpiredMillis"`
	PushGoVersion                            string         `json:"pushGoVersion"`
	PushJavaVersion                          string         `json:"pushJavaVersion"`
	PushPythonVersion                        string         `json:"pushPythonVersion"`
	PushCVersion                             string         `json:"pushCVersion"`
	PushCSharpVersion                        string         `json:"pushCSharpVersion"`
	EnableAuthentication                     bool           `json:"enableAuthentication"`
	OverriddenServerStatus                   *string        `json:"overriddenServerStatus"`
	DefaultInstanceEphemeral                 bool           `json:"defaultInstanceEphemeral"`
	HealthCheckWhiteList                     []string       `json:"healthCheckWhiteList"`
	Name                                     string         `json:"name"`
	Checksum                                 *string        `json:"checksum"`
}

// SubscriptionTTL returns how long a subscription lives without being repeated. Clients
// repeat it at defaultPushCacheMillis; one may be lost. Nacos 2.0 drops an idle client after
// 30 s, but not before that time.
func (s *Switches) SubscriptionTTL() time.Duration {
	const day = 24 * 60 * 60 * 1000
	return max(30*time.Second, 2*time.Duration(min(s.DefaultPushCacheMillis, day))*time.Millisecond)
}

// DefaultSwitches returns the switches of a new server (Nacos 2.0.3).
func DefaultSwitches() *Switches {
	return &Switches{
		AdWeightMap:                              map[string]int{},
		DefaultPushCacheMillis:                   10000,
		ClientBeatInterval:                       5000,
		DefaultCacheMillis:                       3000,
		DistroThreshold:                          0.7,
		HealthCheckEnabled:                       true,
		AutoChangeHealthCheckEnabled:             true,
		DistroEnabled:                            true,
		EnableStandalone:                         true,
		PushEnabled:                              true,
		CheckTimes:                               3,
		HTTPHealthParams:                         HealthParams{5000, 500, 0.85},
		TCPHealthParams:                          HealthParams{5000, 1000, 0.75},
		MySQLHealthParams:                        HealthParams{3000, 2000, 0.65},
		IncrementalList:                          []string{},
		ServerStatusSynchronizationPeriodMillis:  2000,
		ServiceStatusSynchronizationPeriodMillis: 5000,
		LightBeatEnabled:                         true,
		DoubleWriteEnabled:                       true,
		LimitedURLMap:                            map[string]int{},
		DistroServerExpiredMillis:                10000,
		PushGoVersion:                            "0.1.0",
		PushJavaVersion:                          "0.1.0",
		PushPythonVersion:                        "0.4.3",
		PushCVersion:                             "1.0.12",
		PushCSharpVersion:                        "0.9.0",
		DefaultInstanceEphemeral:                 true,
		HealthCheckWhiteList:                     []string{},
		Name:                                     "00-00---000-NACOS_SWITCH_DOMAIN-000---00-00",
	}
}
