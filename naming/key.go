package naming

import "strings"

// Defaults of Nacos's request parameters.
const (
	DefaultNamespace = "public"
	DefaultGroup     = "DEFAULT_GROUP"
	DefaultCluster   = "DEFAULT"

	groupSeparator = "@@"
)

// Key names a service: the namespace, the group and the plain name.
type Key struct {
	Namespace string
	Group     string
	Name      string
}

// Grouped returns "group@@name", the form in which Nacos clients know a service.
func (k Key) Grouped() string { return k.Group + groupSeparator + k.Name }

// String returns "namespace@@group@@name", the identity of the service's grain.
func (k Key) String() string { return k.Namespace + groupSeparator + k.Group + groupSeparator + k.Name }

// Hash returns the FNV-1a hash, 64 bits, of the identity. All nodes agree on it.
func (k Key) Hash() uint64 {
	h := fnv1a(14695981039346656037, k.Namespace)
	h = fnv1a(fnv1a(h, groupSeparator), k.Group)
	return fnv1a(fnv1a(h, groupSeparator), k.Name)
}

// Partitions is how many shares the services are divided into. A share has one owner and
// moves as a whole.
const Partitions = 1024

// Partition returns the share that the service belongs to, the same on all nodes.
func (k Key) Partition() int {
	// The finalizer of splitmix64: FNV spreads its low bits badly.
	x := k.Hash()
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return int(x % Partitions)
}

func fnv1a(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// Like reports whether k is in the namespace of pattern and its group and name contain those of
// pattern.
func (k Key) Like(pattern Key) bool {
	return k.Namespace == pattern.Namespace && strings.Contains(k.Group, pattern.Group) && strings.Contains(k.Name, pattern.Name)
}

// Compare orders keys by namespace, group and name.
func (k Key) Compare(o Key) int {
	if c := strings.Compare(k.Namespace, o.Namespace); c != 0 {
		return c
	}
	if c := strings.Compare(k.Group, o.Group); c != 0 {
		return c
	}
	return strings.Compare(k.Name, o.Name)
}

// ParseIdentity is the reverse of [Key.String].
func ParseIdentity(identity string) (Key, bool) {
	ns, rest, ok := strings.Cut(identity, groupSeparator)
	if !ok {
		return Key{}, false
	}
	group, name, ok := strings.Cut(rest, groupSeparator)
	return Key{Namespace: ns, Group: group, Name: name}, ok
}

// NewKey builds a key from request parameters as Nacos's service-name filter does: group
// and name are joined by "@@" unless the serviceName has one already, then split again, so
// that a serviceName with a group brings its own and parts after the second are dropped.
// Blank namespace and group take their defaults. serviceName must not be blank.
//
// Errors (kind [KindInvalid]) carry Nacos's texts for "g@@" and "@@s". Names whose identity
// could be read in two ways are refused too.
func NewKey(namespace, group, serviceName string) (Key, error) {
	k := Key{Namespace: strings.TrimSpace(namespace), Group: strings.TrimSpace(group), Name: strings.TrimSpace(serviceName)}
	if k.Namespace == "" {
		k.Namespace = DefaultNamespace
	}
	if k.Group == "" {
		k.Group = DefaultGroup
	}
	if strings.Contains(k.Name, groupSeparator) || strings.Contains(k.Group, groupSeparator) {
		joined := k.Name
		if !strings.Contains(k.Name, groupSeparator) {
			joined = k.Grouped()
		}
		// As Java's split: trailing empty parts do not count.
		parts := strings.Split(joined, groupSeparator)
		for len(parts) > 0 && parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
		if len(parts) < 2 {
			return Key{}, Invalid("Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'")
		}
		if parts[0] == "" {
			return Key{}, Invalid("Param 'serviceName' is illegal, groupName can't be empty")
		}
		k.Group, k.Name = parts[0], parts[1]
	}
	if strings.Contains(k.Namespace, groupSeparator) || strings.HasSuffix(k.Namespace, "@") || strings.HasSuffix(k.Group, "@") || k.Name == "" {
		return Key{}, Invalid("service %q is illegal: '@@' separates namespace, group and name, which must not be empty or end with '@'", k.String())
	}
	return k, nil
}
