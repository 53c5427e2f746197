package http

import (
	"strings"

	"github.com/valyala/fastjson"

	"nactor/naming"
	"nactor/naming/wire"
)

var parsers fastjson.ParserPool

// beat is the hot path: a heartbeat with the instance in it, or a light one.
func (r *request) beat() error {
	key, err := r.key()
	if err != nil {
		return err
	}
	cluster, err := r.cluster()
	if err != nil {
		return err
	}
	var cmd naming.Beat
	if raw, err := r.optional("beat", ""); err != nil {
		return err
	} else if raw != "" {
		if cmd.Instance, err = parseBeat(raw, cluster); err != nil {
			return err
		}
		cmd.Addr = cmd.Instance.Addr()
	} else {
		if cmd.IP, err = r.optional("ip", ""); err != nil {
			return err
		}
		if cmd.Port, err = r.optionalInt("port", 0); err != nil {
			return err
		}
		cmd.Cluster = cluster
	}
	res, err := r.do(key, cmd)
	if err != nil {
		return err
	}
	sw := r.s.cfg.Settings.Switches()
	interval := res.Interval.Milliseconds()
	if !res.Known {
		interval = sw.ClientBeatInterval
	}
	r.json(wire.AppendBeat(nil, res.Known, interval, sw.LightBeatEnabled))
	return nil
}

// parseBeat reads the instance out of a beat. A beat without weight means 1: Nacos takes
// it for 0 and so removes the instance from all load balancing.
func parseBeat(raw, cluster string) (*naming.Instance, error) {
	p := parsers.Get()
	defer parsers.Put(p)
	v, err := p.Parse(raw)
	if err == nil && v.Type() != fastjson.TypeObject {
		err = naming.Rejected("not a JSON object but %s", v.Type())
	}
	if err != nil {
		return nil, naming.Rejected("errCode: 101, errMsg: Nacos deserialize for class [com.alibaba.nacos.naming.healthcheck.RsInfo] failed.  ;caused: %s", brief(err))
	}
	in := &naming.Instance{Weight: 1, Enabled: true, Healthy: true, Ephemeral: true, Cluster: cluster}
	bad := func(field string) (*naming.Instance, error) {
		return nil, naming.Rejected("errCode: 101, errMsg: Nacos deserialize for class [com.alibaba.nacos.naming.healthcheck.RsInfo] failed.  ;caused: field %s has the wrong type", field)
	}
	obj := v.GetObject()
	var failed string
	obj.Visit(func(k []byte, f *fastjson.Value) {
		if f.Type() == fastjson.TypeNull {
			return
		}
		switch string(k) {
		case "ip":
			s, err := f.StringBytes()
			if err != nil {
				failed = "ip"
			}
			in.IP = strings.TrimSpace(string(s))
		case "port":
			if in.Port, err = f.Int(); err != nil {
				failed = "port"
			}
		case "cluster":
			s, err := f.StringBytes()
			if err != nil {
				failed = "cluster"
			}
			if c := strings.TrimSpace(string(s)); c != "" {
				in.Cluster = c
			}
		case "weight":
			if in.Weight, err = f.Float64(); err != nil {
				failed = "weight"
			}
		case "ephemeral":
			if in.Ephemeral, err = f.Bool(); err != nil {
				failed = "ephemeral"
			}
		case "metadata":
			o, err := f.Object()
			if err != nil {
				failed = "metadata"
				return
			}
			if o.Len() == 0 {
				return
			}
			m := make(map[string]string, o.Len())
			o.Visit(func(k []byte, f *fastjson.Value) {
				switch f.Type() {
				case fastjson.TypeString:
					m[string(k)] = string(f.GetStringBytes())
				case fastjson.TypeNumber, fastjson.TypeTrue, fastjson.TypeFalse:
					m[string(k)] = f.String()
				case fastjson.TypeNull:
				default:
					failed = "metadata"
				}
			})
			in.Metadata = naming.MetadataOf(m)
		}
	})
	if failed != "" {
		return bad(failed)
	}
	if in.IP == "" {
		return nil, naming.Invalid("Param 'ip' is required.")
	}
	if err := in.Addr().Check(); err != nil {
		return nil, err
	}
	if err := naming.CheckWeight(in.Weight); err != nil {
		return nil, err
	}
	return in, naming.CheckMetadata(in.Metadata)
}

// brief keeps what a JSON parser says from repeating the input.
func brief(err error) string {
	s := err.Error()
	if i := strings.Index(s, "; unparsed tail"); i >= 0 {
		s = s[:i]
	}
	return s
}
