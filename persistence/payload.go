package persistence

import (
	"encoding/json"
	"unicode/utf8"

	"nactor/naming"
)

// The payloads. Field names are part of the format: a field may be added, with a zero
// value that means what was meant before it was there, and never renamed. The switches are
// stored as [naming.Switches], whose names are those of Nacos's API.
type (
	serviceRecord struct {
		Threshold float64           `json:"threshold,omitempty"`
		Metadata  map[string]string `json:"metadata,omitempty"`
		Selector  *selectorRecord   `json:"selector,omitempty"`
		Clusters  []clusterRecord   `json:"clusters,omitempty"`
	}
	selectorRecord struct {
		Type       string `json:"type"`
		Expression string `json:"expression,omitempty"`
	}
	clusterRecord struct {
		Name            string            `json:"name"`
		CheckPort       int               `json:"checkPort,omitempty"`
		UseInstancePort bool              `json:"useInstancePort,omitempty"`
		Checker         checkerRecord     `json:"checker"`
		Metadata        map[string]string `json:"metadata,omitempty"`
	}
	checkerRecord struct {
		Type     string `json:"type"`
		Path     string `json:"path,omitempty"`
		Headers  string `json:"headers,omitempty"`
		Code     int    `json:"code,omitempty"`
		User     string `json:"user,omitempty"`
		Password string `json:"password,omitempty"`
		Command  string `json:"command,omitempty"`
	}
	instanceRecord struct {
		Weight   float64           `json:"weight"`
		Enabled  bool              `json:"enabled"`
		Healthy  bool              `json:"healthy"`
		Metadata map[string]string `json:"metadata,omitempty"`
	}
	overlayRecord struct {
		Weight   float64           `json:"weight"`
		Enabled  bool              `json:"enabled"`
		Metadata map[string]string `json:"metadata,omitempty"`
	}
	namespaceRecord struct {
		Name        string `json:"name"`
		Description string `json:"description,omitempty"`
	}
)

// encode returns the payload of a record. Errors: kind [naming.KindInvalid] for what JSON
// cannot hold.
func encode(r naming.Record) ([]byte, error) {
	var v any
	switch {
	case r.Kind == naming.RecordService && r.Service != nil:
		v = fromMeta(r.Service)
	case r.Kind == naming.RecordInstance && r.Instance != nil:
		v = instanceRecord{r.Instance.Weight, r.Instance.Enabled, r.Instance.Healthy, fromMetadata(r.Instance.Metadata)}
	case r.Kind == naming.RecordOverlay && r.Overlay != nil:
		v = overlayRecord{r.Overlay.Weight, r.Overlay.Enabled, fromMetadata(r.Overlay.Metadata)}
	default:
		return nil, naming.Invalid("service %s: a record of kind %d without a value cannot be stored", r.Key, r.Kind)
	}
	b, err := marshal(v)
	if err != nil {
		return nil, naming.Invalid("service %s cannot be stored: %w", r.Key, err)
	}
	return b, nil
}

// marshal returns v as JSON. Text that is no UTF-8 is refused: JSON has no place for it, and
// what is read back would be something else.
func marshal(v any) ([]byte, error) {
	if s, ok := v.(interface{ texts(func(...string)) }); ok {
		var bad *string
		s.texts(func(texts ...string) {
			for _, t := range texts {
				if !utf8.ValidString(t) {
					bad = &t
				}
			}
		})
		if bad != nil {
			return nil, naming.Invalid("%q is not valid UTF-8", *bad)
		}
	}
	return json.Marshal(v)
}

func (r serviceRecord) texts(f func(...string)) {
	metadataTexts(r.Metadata, f)
	if r.Selector != nil {
		f(r.Selector.Type, r.Selector.Expression)
	}
	for _, c := range r.Clusters {
		metadataTexts(c.Metadata, f)
		h := c.Checker
		f(c.Name, h.Type, h.Path, h.Headers, h.User, h.Password, h.Command)
	}
}

func (r instanceRecord) texts(f func(...string))  { metadataTexts(r.Metadata, f) }
func (r overlayRecord) texts(f func(...string))   { metadataTexts(r.Metadata, f) }
func (r namespaceRecord) texts(f func(...string)) { f(r.Name, r.Description) }

func metadataTexts(m map[string]string, f func(...string)) {
	for k, v := range m {
		f(k, v)
	}
}

func fromMetadata(m naming.Metadata) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m.Map()
}

func fromMeta(m *naming.ServiceMeta) serviceRecord {
	r := serviceRecord{Threshold: m.ProtectThreshold, Metadata: fromMetadata(m.Metadata)}
	if m.Selector != (naming.Selector{}) {
		r.Selector = &selectorRecord{m.Selector.Type, m.Selector.Expression}
	}
	for _, c := range m.Clusters {
		h := c.Checker
		r.Clusters = append(r.Clusters, clusterRecord{
			Name: c.Name, CheckPort: c.CheckPort, UseInstancePort: c.UseInstancePort, Metadata: fromMetadata(c.Metadata),
			Checker: checkerRecord{h.Type, h.Path, h.Headers, h.ExpectedResponseCode, h.User, h.Password, h.Command},
		})
	}
	return r
}

func (r serviceRecord) meta() *naming.ServiceMeta {
	m := &naming.ServiceMeta{ProtectThreshold: r.Threshold, Metadata: naming.MetadataOf(r.Metadata)}
	if r.Selector != nil {
		m.Selector = naming.Selector{Type: r.Selector.Type, Expression: r.Selector.Expression}
	}
	for _, c := range r.Clusters {
		h := c.Checker
		m.Clusters = append(m.Clusters, naming.ClusterMeta{
			Name: c.Name, CheckPort: c.CheckPort, UseInstancePort: c.UseInstancePort, Metadata: naming.MetadataOf(c.Metadata),
			Checker: naming.HealthChecker{
				Type: h.Type, Path: h.Path, Headers: h.Headers, ExpectedResponseCode: h.Code, User: h.User, Password: h.Password, Command: h.Command,
			},
		})
	}
	return m
}

func (r instanceRecord) instance(a naming.Addr) *naming.Instance {
	return &naming.Instance{
		IP: a.IP, Port: a.Port, Cluster: a.Cluster,
		Weight: r.Weight, Enabled: r.Enabled, Healthy: r.Healthy, Metadata: naming.MetadataOf(r.Metadata),
	}
}

func (r overlayRecord) overlay() *naming.Overlay {
	return &naming.Overlay{Weight: r.Weight, Enabled: r.Enabled, Metadata: naming.MetadataOf(r.Metadata)}
}

// decode reads what [encode] made, out of a sealed value, into v. Errors: [ErrCorrupt].
func decode(bucket, key, value []byte, v any) error {
	payload, err := unseal(bucket, key, value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return damaged("record %s/%q: %w", bucket, key, err)
	}
	return nil
}
