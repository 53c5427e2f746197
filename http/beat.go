package http

import (
	"bytes"

	"github.com/valyala/fastjson"

	"nactor/naming"
	"nactor/naming/wire"
)

var beatParsers fastjson.ParserPool

// beat takes a heartbeat, light or with the instance in it: the hot path. Nearly all beats
// are for instances that are there, so the instance is only built when it is not.
func (r *request) beat() error {
	var full beatInfo
	if b := r.optional("beat"); len(b) > 0 {
		p := beatParsers.Get()
		defer beatParsers.Put(p)
		var err error
		if full, err = parseBeat(p, b); err != nil {
			return err
		}
	}
	port := r.optional("port")
	cmd := naming.Beat{Addr: naming.Addr{IP: r.name("ip", ""), Cluster: r.name("clusterName", naming.DefaultCluster)}}
	if len(port) > 0 {
		cmd.Port = r.portOf(port)
	}
	r.faultIf(cmd.Addr.Check())
	key := r.key()
	if full.given {
		cmd.Addr = r.beatAddr(&full, cmd.Cluster)
	}
	if r.err != nil {
		return r.err
	}
	sw := r.s.cfg.Settings.Switches()
	res := naming.Result{}
	if cmd.IP != "" { // else nobody can be meant
		var err error
		// Metadata may be refused, which has to come before anything is done.
		if full.metadata != nil && full.metadata.Len() > 0 && r.s.cfg.Reader.View(key) == nil {
			cmd.Instance, err = r.beatInstance(&full, cmd.Addr)
		}
		if err == nil {
			res, err = r.do(key, cmd)
		}
		if err == nil && !res.Known && full.given && cmd.Instance == nil {
			if cmd.Instance, err = r.beatInstance(&full, cmd.Addr); err == nil {
				res, err = r.do(key, cmd)
			}
		}
		if err != nil {
			return err
		}
	}
	interval := sw.ClientBeatInterval
	if res.Known && res.Interval > 0 {
		interval = res.Interval.Milliseconds()
	}
	if !res.Known && r.is142() {
		r.json(wire.AppendBeatUnknown142(r.begin(), interval))
		return nil
	}
	r.json(wire.AppendBeat(r.begin(), res.Known, interval, sw.LightBeatEnabled))
	return nil
}

// beatInfo is the JSON of a beat, as far as it counts. Its bytes belong to the parser.
type beatInfo struct {
	given     bool
	ip        []byte
	port      int
	cluster   []byte
	weight    float64
	ephemeral bool
	metadata  *fastjson.Object
}

// parseBeat reads the JSON of a beat. Anything broken or of a wrong type refuses the whole
// beat; members that Nacos does not know are passed over. JSON null is no beat.
func parseBeat(p *fastjson.Parser, b []byte) (beatInfo, error) {
	if len(b) > maxBeat {
		return beatInfo{}, naming.Invalid("parameter beat is larger than %d bytes", maxBeat)
	}
	if err := checkText("beat", b); err != nil {
		return beatInfo{}, err
	}
	// Parse first: it bounds the depth, which the strict check does not.
	v, err := p.ParseBytes(b)
	if err != nil || fastjson.ValidateBytes(b) != nil {
		return beatInfo{}, badBeat("not JSON")
	}
	if v.Type() == fastjson.TypeNull {
		return beatInfo{}, nil
	}
	o, err := v.Object()
	if err != nil {
		return beatInfo{}, badBeat("not a JSON object")
	}
	out := beatInfo{given: true, weight: 1, ephemeral: true}
	var bad string
	o.Visit(func(k []byte, v *fastjson.Value) {
		if v.Type() == fastjson.TypeNull || bad != "" {
			return
		}
		ok := true
		switch string(k) {
		case "ip":
			out.ip, ok = scalar(v)
		case "cluster":
			out.cluster, ok = scalar(v)
		case "port":
			out.port, ok = whole(v)
		case "weight":
			out.weight, ok = double(v)
		case "ephemeral":
			out.ephemeral, ok = boolean(v)
		case "metadata":
			if out.metadata, err = v.Object(); err != nil {
				ok = false
				break
			}
			out.metadata.Visit(func(_ []byte, v *fastjson.Value) {
				if t := v.Type(); t == fastjson.TypeObject || t == fastjson.TypeArray {
					ok = false
				}
			})
		}
		if !ok {
			bad = string(k)
		}
	})
	if bad != "" {
		return beatInfo{}, badBeat("wrong type of member " + bad)
	}
	return out, nil
}

func badBeat(cause string) error {
	return naming.Rejected("errCode: 101, errMsg: Nacos deserialize for class [com.alibaba.nacos.naming.healthcheck.RsInfo] failed.  ;caused: %s", cause)
}

// beatAddr returns the address in a beat and checks all that may be registered from it.
func (r *request) beatAddr(full *beatInfo, cluster string) naming.Addr {
	ip := bytes.TrimSpace(full.ip)
	if len(ip) == 0 {
		r.fault(naming.Invalid("Param 'ip' is required."))
	}
	r.faultIf(naming.CheckWeight(full.weight))
	addr := naming.Addr{IP: r.own("ip", ip), Port: full.port, Cluster: cluster}
	if c := bytes.TrimSpace(full.cluster); len(c) > 0 {
		addr.Cluster = r.own("cluster", c)
	}
	r.faultIf(addr.Check())
	return addr
}

// beatInstance returns the instance in a beat.
func (r *request) beatInstance(full *beatInfo, addr naming.Addr) (*naming.Instance, error) {
	in := &naming.Instance{
		IP: addr.IP, Port: addr.Port, Cluster: addr.Cluster,
		Weight: full.weight, Enabled: true, Healthy: true, Ephemeral: full.ephemeral,
	}
	if full.metadata != nil && full.metadata.Len() > 0 {
		pairs := make([]naming.Pair, 0, full.metadata.Len())
		full.metadata.Visit(func(k []byte, v *fastjson.Value) {
			if b, ok := scalar(v); ok {
				pairs = append(pairs, naming.Pair{Key: string(k), Value: string(b)})
			}
		})
		in.Metadata = naming.NewMetadata(pairs)
	}
	return in, naming.CheckMetadata(in.Metadata)
}

// What follows reads JSON as loosely as Jackson: scalars become what is asked for.

func scalar(v *fastjson.Value) ([]byte, bool) {
	switch v.Type() {
	case fastjson.TypeString:
		return v.GetStringBytes(), true
	case fastjson.TypeNumber, fastjson.TypeTrue, fastjson.TypeFalse:
		return v.MarshalTo(nil), true
	}
	return nil, false
}

func whole(v *fastjson.Value) (int, bool) {
	switch v.Type() {
	case fastjson.TypeNumber:
		if n, err := v.Int(); err == nil {
			return n, true
		}
		f, err := v.Float64()
		return int(f), err == nil && f > -1e9 && f < 1e9
	case fastjson.TypeString:
		n, err := parseInt(string(bytes.TrimSpace(v.GetStringBytes())))
		return n, err == nil
	}
	return 0, false
}

func double(v *fastjson.Value) (float64, bool) {
	switch v.Type() {
	case fastjson.TypeNumber:
		f, err := v.Float64()
		return f, err == nil
	case fastjson.TypeString:
		f, err := parseDouble(string(bytes.TrimSpace(v.GetStringBytes())))
		return f, err == nil
	}
	return 0, false
}

func boolean(v *fastjson.Value) (bool, bool) {
	switch v.Type() {
	case fastjson.TypeTrue:
		return true, true
	case fastjson.TypeFalse:
		return false, true
	case fastjson.TypeString:
		b := bytes.TrimSpace(v.GetStringBytes())
		return parseStrict(b), parseStrict(b) || bytes.EqualFold(b, []byte("false"))
	}
	return false, false
}
