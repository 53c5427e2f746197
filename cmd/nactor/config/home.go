package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// DefaultHome returns the home of a server that is started without --home: DIR when the
// executable lies in DIR/target, as in a checkout and in the tarball, else the working
// directory.
func DefaultHome() (string, error) {
	if exe, err := os.Executable(); err == nil {
		if dir := filepath.Dir(exe); filepath.Base(dir) == "target" {
			return filepath.Dir(dir), nil
		}
	}
	return os.Getwd()
}

// FindHome returns home as an absolute path, or the default when it is empty. It must be
// there: a mistyped home would otherwise be an empty server.
func FindHome(home string) (string, error) {
	if home == "" {
		return DefaultHome()
	}
	abs, err := filepath.Abs(home)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	switch {
	case os.IsNotExist(err):
		return "", fmt.Errorf("--home: %s does not exist: create it, or name the directory that holds conf/ and data/", abs)
	case err != nil:
		return "", fmt.Errorf("--home: %w", err)
	case !info.IsDir():
		return "", fmt.Errorf("--home: %s is not a directory", abs)
	}
	return abs, nil
}
