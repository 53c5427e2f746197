package persistence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	databaseFile = "nactor.db"
	identityFile = "identity.json"
)

// identity is who a store is. It stands in a file of its own and in the database.
type identity struct {
	Store   string    `json:"storeId"`
	Created time.Time `json:"created"`
	Schema  uint64    `json:"schema"`
	Member  bool      `json:"member,omitempty"` // of a cluster: there has to be a raft.db
}

// readIdentity returns nil when there is none.
func readIdentity(dir string) (*identity, error) {
	path := filepath.Join(dir, identityFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the store's identity: %w", err)
	}
	id := &identity{}
	if err := json.Unmarshal(b, id); err != nil || id.Store == "" {
		return nil, damaged("%s beside it cannot be read: remove that file to have it made again from the database", identityFile)
	}
	if id.Schema > schema {
		return nil, newer(id.Schema)
	}
	return id, nil
}

func (id *identity) write(dir string) error {
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the store's identity: %w", err)
	}
	path := filepath.Join(dir, identityFile)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the store's identity: %w", err)
	}
	if _, err = f.Write(append(b, '\n')); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("write the store's identity: %w", err)
	}
	return nil
}
