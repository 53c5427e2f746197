package v1

import (
	"strings"

	"nactor/naming"
)

// admit checks what Nacos 1.x checks of a service and a cluster when it makes one. What
// exists already is not looked at again, wherever it came from.
func (s *Service) admit(cluster string) error {
	if !s.born {
		if err := s.admitName(); err != nil {
			return err
		}
	}
	if _, found := s.cluster(cluster); !found && !allAllowed(cluster, "-") {
		return naming.Invalid("cluster name can only have these characters: 0-9a-zA-Z-, current: %s", cluster)
	}
	return nil
}

func (s *Service) admitName() error {
	if name := s.key.Grouped(); !allAllowed(name, "@.:_-") {
		return naming.Invalid("dom name can only have these characters: 0-9a-zA-Z-._:, current: %s", name)
	}
	return nil
}

// allAllowed reports whether s is made of ASCII letters, digits and extra, and not empty.
func allAllowed(s, extra string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', strings.IndexByte(extra, c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
