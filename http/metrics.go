package http

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
)

// metrics are what the front counts, and Nacos's own gauges.
type metrics struct {
	requests *prometheus.CounterVec
	serve    fasthttp.RequestHandler
}

func newMetrics(s *Server) *metrics {
	m := &metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "nactor_http_requests_total",
		Help: "Requests answered, by route and status code.",
	}, []string{"method", "route", "code"})}
	reg := s.cfg.Metrics
	for _, c := range []prometheus.Collector{
		m.requests,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "nactor_http_connections", Help: "Open connections of clients.",
		}, func() float64 { return float64(s.conns.count()) }),
		monitor{s},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		var taken prometheus.AlreadyRegisteredError
		if err := reg.Register(c); err != nil && !errors.As(err, &taken) {
			s.cfg.Logger.Error("a metric is missing", "error", err)
		}
	}
	m.serve = fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(reg, promhttp.HandlerOpts{DisableCompression: true}))
	return m
}

func (r *request) prometheus() error {
	r.s.metrics.serve(r.RequestCtx)
	return nil
}

// monitor collects Nacos's nacos_monitor gauges, as far as they mean something here.
type monitor struct{ s *Server }

var monitorDesc = prometheus.NewDesc("nacos_monitor", "Gauges of the naming module, named as in Nacos.", []string{"module", "name"}, nil)

// Describe implements [prometheus.Collector].
func (monitor) Describe(ch chan<- *prometheus.Desc) { ch <- monitorDesc }

// Collect implements [prometheus.Collector].
func (m monitor) Collect(ch chan<- prometheus.Metric) {
	gauge := func(name string, v float64) {
		ch <- prometheus.MustNewConstMetric(monitorDesc, prometheus.GaugeValue, v, "naming", name)
	}
	n, p := m.s.cfg.Reader.Counts(), m.s.cfg.Pushes()
	c := m.s.cfg.Checks()
	gauge("mysqlHealthCheck", float64(c.MySQL))
	gauge("httpHealthCheck", float64(c.HTTP))
	gauge("tcpHealthCheck", float64(c.TCP))
	gauge("serviceCount", float64(n.Services))
	gauge("ipCount", float64(n.Instances))
	gauge("subscriberCount", float64(n.Subscribers))
	gauge("totalPush", float64(p.Sent))
	gauge("failedPush", float64(p.Failed))
	gauge("avgPushCost", float64(cost(p.AvgCost, p.Sent)))
	gauge("maxPushCost", float64(cost(p.MaxCost, p.Sent)))
}

// cost is a time in ms, -1 while there was none.
func cost(d time.Duration, n int64) int64 {
	if n == 0 {
		return -1
	}
	return d.Milliseconds()
}
