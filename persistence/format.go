package persistence

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"strconv"
	"strings"

	"nactor/naming"
)

// schema is the version of the file format. It only grows; a file with a higher one is
// refused.
const schema = 1

// recordVersion is the version of a value's framing.
const recordVersion = 1

var (
	bucketMeta       = []byte("meta")
	bucketServices   = []byte("services")
	bucketInstances  = []byte("instances")
	bucketOverlays   = []byte("overlays")
	bucketSettings   = []byte("settings")
	bucketNamespaces = []byte("namespaces")

	recordBuckets = [][]byte{bucketServices, bucketInstances, bucketOverlays, bucketSettings, bucketNamespaces}

	keySchema   = []byte("schema")
	keyStore    = []byte("store")
	keyCreated  = []byte("created")
	keyCount    = []byte("count")
	keySum      = []byte("sum")
	keySwitches = []byte("switches")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(bucket, key, payload []byte) uint32 {
	c := crc32.Update(0, castagnoli, bucket)
	c = crc32.Update(c, castagnoli, []byte{0})
	c = crc32.Update(c, castagnoli, key)
	c = crc32.Update(c, castagnoli, []byte{0})
	return crc32.Update(c, castagnoli, payload)
}

// seal frames a payload.
func seal(bucket, key, payload []byte) []byte {
	v := make([]byte, 5, 5+len(payload))
	v[0] = recordVersion
	binary.BigEndian.PutUint32(v[1:], checksum(bucket, key, payload))
	return append(v, payload...)
}

// unseal returns the payload of a value; an error names the record.
func unseal(bucket, key, value []byte) ([]byte, error) {
	switch {
	case len(value) < 5:
		return nil, fmt.Errorf("record %s/%q is %d bytes short: %w", bucket, key, 5-len(value), ErrCorrupt)
	case value[0] != recordVersion:
		return nil, fmt.Errorf("record %s/%q has version %d: %w", bucket, key, value[0], ErrCorrupt)
	case binary.BigEndian.Uint32(value[1:]) != checksum(bucket, key, value[5:]):
		return nil, fmt.Errorf("record %s/%q has a wrong checksum: %w", bucket, key, ErrCorrupt)
	}
	return value[5:], nil
}

// hash is a record's share of the running sum.
func hash(bucket, key, value []byte) uint64 {
	h := fnv.New64a()
	h.Write(bucket)
	h.Write([]byte{0})
	h.Write(key)
	h.Write([]byte{0})
	h.Write(value)
	return h.Sum64()
}

// The payloads. Field names are part of the format.
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

// locate returns where a record lives.
func locate(r naming.Record) (bucket, key []byte, err error) {
	identity := r.Key.String()
	switch r.Kind {
	case naming.RecordService:
		return bucketServices, []byte(identity), nil
	case naming.RecordInstance:
		return bucketInstances, addrKey(identity, r.Addr), nil
	case naming.RecordOverlay:
		return bucketOverlays, addrKey(identity, r.Addr), nil
	}
	return nil, nil, fmt.Errorf("service %s: unknown kind of record %d", identity, r.Kind)
}

func addrKey(identity string, a naming.Addr) []byte {
	return []byte(identity + "\x00" + a.Cluster + "\x00" + a.IP + "\x00" + strconv.Itoa(a.Port))
}

func parseAddrKey(key []byte) (naming.Key, naming.Addr, error) {
	parts := strings.Split(string(key), "\x00")
	if len(parts) == 4 {
		k, ok := naming.ParseIdentity(parts[0])
		port, err := strconv.Atoi(parts[3])
		if ok && err == nil {
			return k, naming.Addr{Cluster: parts[1], IP: parts[2], Port: port}, nil
		}
	}
	return naming.Key{}, naming.Addr{}, fmt.Errorf("key %q is not of the form service, cluster, ip, port: %w", key, ErrCorrupt)
}

// encode returns the payload of a record.
func encode(r naming.Record) ([]byte, error) {
	var v any
	switch r.Kind {
	case naming.RecordService:
		v = fromMeta(r.Service)
	case naming.RecordInstance:
		v = instanceRecord{r.Instance.Weight, r.Instance.Enabled, r.Instance.Healthy, fromMetadata(r.Instance.Metadata)}
	case naming.RecordOverlay:
		v = overlayRecord{r.Overlay.Weight, r.Overlay.Enabled, fromMetadata(r.Overlay.Metadata)}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a record of %s: %w", r.Key, err)
	}
	return b, nil
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

// decode reads a payload into v.
func decode(bucket, key, value []byte, v any) error {
	payload, err := unseal(bucket, key, value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return fmt.Errorf("record %s/%q: %w: %w", bucket, key, ErrCorrupt, err)
	}
	return nil
}
