package upgrade

import (
	"fmt"
	"strconv"

	"nactor/naming"
)

// metas compares what operators said about the service.
func (d *differ) metas(a, b *naming.ServiceMeta) {
	switch {
	case a == b:
		return
	case a == nil || b == nil:
		d.missing("metadata", a != nil)
		return
	}
	const subject = "metadata"
	d.field(subject, "protect threshold", number(a.ProtectThreshold), number(b.ProtectThreshold))
	d.field(subject, "selector", selector(a.Selector), selector(b.Selector))
	d.metadata(subject, a.Metadata, b.Metadata)
	for i, j := 0, 0; (i < len(a.Clusters) || j < len(b.Clusters)) && !d.done; {
		switch {
		case j == len(b.Clusters) || i < len(a.Clusters) && a.Clusters[i].Name < b.Clusters[j].Name:
			d.missing("cluster "+a.Clusters[i].Name, true)
			i++
		case i == len(a.Clusters) || a.Clusters[i].Name > b.Clusters[j].Name:
			d.missing("cluster "+b.Clusters[j].Name, false)
			j++
		default:
			d.cluster(a.Clusters[i], b.Clusters[j])
			i, j = i+1, j+1
		}
	}
}

func (d *differ) cluster(a, b naming.ClusterMeta) {
	subject := "cluster " + a.Name
	d.field(subject, "check port", strconv.Itoa(a.CheckPort), strconv.Itoa(b.CheckPort))
	d.field(subject, "use instance port", strconv.FormatBool(a.UseInstancePort), strconv.FormatBool(b.UseInstancePort))
	if a.Checker != b.Checker {
		x, y := checker(a.Checker), checker(b.Checker)
		if x == y {
			y += " with another password"
		}
		d.field(subject, "health checker", x, y)
	}
	d.metadata(subject, a.Metadata, b.Metadata)
}

func selector(s naming.Selector) string {
	if s.Type == "" || s.Type == "none" {
		return "none"
	}
	return s.Type + " " + s.Expression
}

// checker describes a health checker without its password.
func checker(c naming.HealthChecker) string {
	switch c.Type {
	case "HTTP":
		return fmt.Sprintf("HTTP path=%q headers=%q code=%d", c.Path, c.Headers, c.ExpectedResponseCode)
	case "MYSQL":
		return fmt.Sprintf("MYSQL user=%q command=%q", c.User, c.Command)
	}
	return c.Type
}
