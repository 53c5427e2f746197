package http

import (
	"log/slog"
	"strings"

	"nactor/naming"
	"nactor/naming/wire"
)

// responsibleForService tells which node carries out what is asked of a service.
func (r *request) responsibleForService() error {
	key := r.springKey()
	if r.err != nil {
		return r.err
	}
	if r.s.cfg.Reader.View(key) == nil {
		return r.unknown(key, naming.Invalid("service not found"))
	}
	owner := r.s.cfg.Owner(key)
	if owner == "" {
		return naming.Unavailable("service %s has no owner at the moment; try again", key.Grouped())
	}
	return r.responsible(owner)
}

// responsibleForClient answers this node: clients belong to none, any node takes their requests.
func (r *request) responsibleForClient() error {
	r.spring("ip")
	r.spring("port")
	if r.err != nil {
		return r.err
	}
	return r.responsible(r.s.cfg.Members.Self().Address())
}

func (r *request) responsible(server string) error {
	r.json(append(wire.AppendString(append(r.begin(), `{"responsibleServer":`...), server), '}'))
	return nil
}

// setLogLevel changes what one of the logs tells, until the node ends. Names that Nacos has
// and we do not are passed over, as it passes over unknown ones.
func (r *request) setLogLevel() error { return r.logLevel(r.spring("logName"), "ok") }

// setCoreLogLevel does so for the log of everything that has none of its own.
func (r *request) setCoreLogLevel() error {
	name := r.spring("logName")
	if name == "core" {
		name = "nacos"
	}
	return r.logLevel(name, "200")
}

func (r *request) logLevel(name, done string) error {
	level := r.spring("logLevel")
	if r.err != nil {
		return r.err
	}
	levels := map[string]slog.Level{
		"ALL": slog.LevelDebug - 4, "TRACE": slog.LevelDebug - 4, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo,
		"WARN": slog.LevelWarn, "ERROR": slog.LevelError, "OFF": slog.LevelError + 4,
	}
	l, ok := levels[strings.ToUpper(cut(level))]
	if !ok {
		return naming.Invalid("logLevel is %q, want one of ALL, TRACE, DEBUG, INFO, WARN, ERROR, OFF", echo([]byte(level)))
	}
	r.s.cfg.SetLogLevel(name, l)
	r.text(done)
	return nil
}
