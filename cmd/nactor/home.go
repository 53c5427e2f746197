package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The files that tell which process serves a home. The first one is locked while the
// process lives, so a file that a killed server left, or a process id that has gone to
// another program since, deceives nobody. It is emptied at the end, never removed: a
// lock on a removed file would exclude nobody.
const (
	pidFile  = "nactor.pid"
	addrFile = "nactor.addr"
)

// takenHome is a home that this process has for itself.
type takenHome struct {
	dir  string
	lock *os.File
}

// takeHome locks the data directory dir, which it makes when it is missing.
func takeHome(dir string) (*takenHome, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &coded{exitData, fmt.Errorf("data directory: %w", err)}
	}
	f, err := os.OpenFile(filepath.Join(dir, pidFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, &coded{exitData, fmt.Errorf("data directory: %w", err)}
	}
	err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		pid, _, _ := servedBy(dir)
		f.Close()
		return nil, &coded{exitData, fmt.Errorf("process %d is already serving from %s: stop it with bin/shutdown.sh, or give this one another --home", pid, dir)}
	}
	if err == nil {
		err = writePID(f)
	}
	if err == nil {
		err = removeIfThere(filepath.Join(dir, addrFile))
	}
	if err != nil {
		f.Close()
		return nil, &coded{exitData, fmt.Errorf("data directory: %w", err)}
	}
	return &takenHome{dir, f}, nil
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// announce writes down where the server answers.
func (h *takenHome) announce(addr string) error {
	path := filepath.Join(h.dir, addrFile)
	if err := os.WriteFile(path+".new", []byte(addr+"\n"), 0o644); err != nil {
		return fmt.Errorf("announce the address: %w", err)
	}
	return os.Rename(path+".new", path)
}

// leave gives the home back.
func (h *takenHome) leave() {
	// Errors change nothing: the lock ends with the file, and it is the lock that counts.
	_ = removeIfThere(filepath.Join(h.dir, addrFile))
	_ = h.lock.Truncate(0)
	_ = h.lock.Close()
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// servedBy returns the process that serves the data directory dir, 0 for none, and the
// address that it answers at, empty while it does not yet.
func servedBy(dir string) (pid int, addr string, err error) {
	f, err := os.Open(filepath.Join(dir, pidFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, "", fmt.Errorf("%s: %w", f.Name(), err)
	}
	if lock.Type == unix.F_UNLCK {
		return 0, "", nil
	}
	pid = int(lock.Pid)
	if pid <= 0 { // held from another container
		text, err := io.ReadAll(io.LimitReader(f, 32))
		if err != nil {
			return 0, "", err
		}
		if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			return 0, "", fmt.Errorf("%s is locked, but by whom it does not say: %w", f.Name(), err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, addrFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, "", err
	}
	return pid, strings.TrimSpace(string(text)), nil
}
