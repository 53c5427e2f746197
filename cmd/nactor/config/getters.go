package config

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// String returns a property, or def when it is not set.
func (p *Properties) String(key, def string) (string, error) {
	v, _, ok, err := p.get(key)
	if err != nil || !ok {
		return def, err
	}
	return v, nil
}

// Bool returns a property that is true or false.
func (p *Properties) Bool(key string, def bool) (bool, error) {
	v, problem, ok, err := p.get(key)
	if err != nil || !ok {
		return def, err
	}
	switch strings.ToLower(v) { // what Spring takes
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return def, problem("is neither true nor false")
}

// Int returns a whole number from least to most.
func (p *Properties) Int(key string, def, least, most int) (int, error) {
	v, problem, ok, err := p.get(key)
	if err != nil || !ok {
		return def, err
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return def, problem(fmt.Sprintf("is not a whole number from %d to %d", least, most))
	}
	return n, nil
}

// Port returns a port number; 0 stands for any free port.
func (p *Properties) Port(key string, def int) (int, error) {
	v, problem, ok, err := p.get(key)
	if err != nil || !ok {
		return def, err
	}
	n, err := parsePort(v)
	if err != nil {
		return def, problem("is not a port number")
	}
	return n, nil
}

func parsePort(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err
}

// Millis returns a time that is written as a whole number of milliseconds.
func (p *Properties) Millis(key string, def time.Duration) (time.Duration, error) {
	v, problem, ok, err := p.get(key)
	if err != nil || !ok {
		return def, err
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(time.Millisecond) {
		return def, problem("is not a time in milliseconds")
	}
	return time.Duration(n) * time.Millisecond, nil
}

// Bytes returns an amount of bytes: a whole number with or without B, KB, MB, GB or TB,
// each 1024 of the one before.
func (p *Properties) Bytes(key string, def int64) (int64, error) {
	v, problem, ok, err := p.get(key)
	if err != nil || !ok {
		return def, err
	}
	n, ok := parseBytes(v)
	if !ok {
		return def, problem("is not an amount of bytes such as 67108864 or 64MB")
	}
	return n, nil
}

func parseBytes(s string) (int64, bool) {
	number := strings.TrimRight(strings.ToUpper(s), "BKMGT")
	unit := strings.ToUpper(s)[len(number):]
	factor, ok := map[string]int64{"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}[unit]
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if !ok || err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, false
	}
	return n * factor, true
}

// Level returns a log level.
func (p *Properties) Level(key string, def slog.Level) (slog.Level, error) {
	v, problem, ok, err := p.get(key)
	if err != nil || !ok {
		return def, err
	}
	switch strings.ToLower(v) {
	case "trace", "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return def, problem("is not a log level: debug, info, warn or error")
}
