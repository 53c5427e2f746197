package naming

// Bounds of one set of metadata. Later versions of Nacos warn from 1 KiB on.
const (
	MaxMetadataKeys  = 64
	MaxMetadataBytes = 8 << 10
)

// CheckMetadata refuses metadata that is too large (kind [KindInvalid]).
func CheckMetadata(md Metadata) error {
	size := 0
	for _, p := range md {
		size += len(p.Key) + len(p.Value)
	}
	switch {
	case len(md) > MaxMetadataKeys:
		return Invalid("metadata has %d keys, at most %d are allowed", len(md), MaxMetadataKeys)
	case size > MaxMetadataBytes:
		return Invalid("metadata has %d bytes, at most %d are allowed", size, MaxMetadataBytes)
	}
	return nil
}

// CheckWeight refuses weights outside Nacos's range; NaN too, which Nacos lets pass.
func CheckWeight(w float64) error {
	if !(w >= 0 && w <= MaxWeight) {
		return Rejected("instance format invalid: The weights range from 0.0 to 10000.0")
	}
	return nil
}

// Bounds of names in bytes, as later versions of Nacos check them (ParamCheckRule).
const (
	maxNamespace = 128
	maxGroup     = 128
	maxService   = 512
	maxCluster   = 64
	maxIP        = 128
)

// Check refuses a key that is too long (kind [KindInvalid]).
func (k Key) Check() error {
	switch {
	case len(k.Namespace) > maxNamespace:
		return tooLong("namespaceId", maxNamespace)
	case len(k.Group) > maxGroup:
		return tooLong("groupName", maxGroup)
	case len(k.Name) > maxService:
		return tooLong("serviceName", maxService)
	}
	return nil
}

// Check refuses an address that no instance can have (kind [KindInvalid]). Host names are
// fine, as in Nacos.
func (a Addr) Check() error {
	switch {
	case len(a.IP) > maxIP:
		return tooLong("ip", maxIP)
	case len(a.Cluster) > maxCluster:
		return tooLong("clusterName", maxCluster)
	case a.Port < 0 || a.Port > 65535:
		return Invalid("port %d is not between 0 and 65535", a.Port)
	}
	return nil
}

func tooLong(name string, limit int) error {
	return Invalid("parameter %s is longer than %d bytes", name, limit)
}
