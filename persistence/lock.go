package persistence

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockDir takes a directory for this process until the file is closed: two servers that
// start at once in an empty one must not both make a database.
func lockDir(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open the data directory: %w", err)
	}
	if err := lock(d, unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// lock takes a lock at once or says who has it ([ErrLocked]). It is gone when the file is
// closed or its process ends.
func lock(f *os.File, how int) error {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return locked(f)
	}
	// A file system without locks is not refused: bbolt asks for its own and decides.
	return nil
}

func locked(f *os.File) error {
	by := ""
	if pid := holder(f); pid > 0 {
		by = fmt.Sprintf(" by process %d", pid)
	}
	return fmt.Errorf("%w%s: stop that one first, or start this one with another home", ErrLocked, by)
}

// holder returns the process that has locked f, 0 when that cannot be found out.
func holder(f *os.File) int {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return 0
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0
	}
	defer locks.Close()
	text, err := io.ReadAll(locks)
	if err != nil {
		return 0
	}
	return lockHolder(string(text), fmt.Sprintf("%02x:%02x", unix.Major(st.Dev), unix.Minor(st.Dev)), st.Ino)
}

// lockHolder finds in the text of /proc/locks the process that has flocked an inode. Some
// file systems show another device there than stat does, so a single other device will do.
// A line is "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF".
func lockHolder(locks, device string, inode uint64) int {
	var others []int
	for line := range strings.Lines(locks) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" {
			continue
		}
		i := strings.LastIndexByte(f[5], ':')
		pid, err := strconv.Atoi(f[4])
		if i < 0 || err != nil || f[5][i+1:] != strconv.FormatUint(inode, 10) {
			continue
		}
		if f[5][:i] == device {
			return pid
		}
		others = append(others, pid)
	}
	if len(others) == 1 {
		return others[0]
	}
	return 0
}
