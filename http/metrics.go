package http

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
)

// measure registers what the front knows: its requests, and Nacos's own gauges.
func (s *Server) measure() {
	s.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "nactor_http_requests_total", Help: "Answered requests by route and status code.",
	}, []string{"method", "route", "code"})
	s.cfg.Metrics.MustRegister(s.requests)
	gauge := func(name string, value func() float64) {
		s.cfg.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "nacos_monitor", Help: "Gauges of Nacos.", ConstLabels: prometheus.Labels{"module": "naming", "name": name},
		}, value))
	}
	gauge("serviceCount", func() float64 { return float64(s.cfg.Reader.Counts().Services) })
	gauge("ipCount", func() float64 { return float64(s.cfg.Reader.Counts().Instances) })
	gauge("subscriberCount", func() float64 { return float64(s.cfg.Reader.Counts().Subscribers) })
	gauge("totalPush", func() float64 { sent, _ := s.cfg.Node.PushTotals(); return float64(sent) })
	gauge("failedPush", func() float64 { _, failed := s.cfg.Node.PushTotals(); return float64(failed) })
}

func (r *request) prometheus() error {
	h := promhttp.HandlerFor(r.s.cfg.Metrics, promhttp.HandlerOpts{})
	fasthttpadaptor.NewFastHTTPHandler(h)(r.RequestCtx)
	return nil
}
