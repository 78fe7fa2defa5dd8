package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// saveDelay is how long changes are gathered before they are written.
const saveDelay = 50 * time.Millisecond

// store keeps a world in a folder: world.json, and one file per attachment.
type store struct {
	dir   string
	saved map[string]bool // attachments that are on disk
}

// openStore reads the world of a folder, or makes a new one.
func openStore(dir string) (*store, *world, error) {
	st := &store{dir: dir, saved: map[string]bool{}}
	if err := os.MkdirAll(filepath.Join(dir, "files"), dirMode); err != nil {
		return nil, nil, fmt.Errorf("make data folder: %w", err)
	}
	w := emptyWorld()
	b, err := os.ReadFile(filepath.Join(dir, "world.json"))
	if errors.Is(err, fs.ErrNotExist) {
		w.complete()
		return st, w, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read world: %w", err)
	}
	if err := json.Unmarshal(b, w); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", filepath.Join(dir, "world.json"), err)
	}
	w.complete()
	for _, list := range w.Messages {
		for _, m := range list {
			for _, f := range m.Files {
				// A file that is missing shows as a broken picture, nothing worse.
				f.data, _ = os.ReadFile(st.path(f.ID))
				st.saved[f.ID] = true
			}
		}
	}
	return st, w, nil
}

func (st *store) path(id string) string { return filepath.Join(st.dir, "files", filepath.Base(id)) }

// snapshot is what has to be written.
type snapshot struct {
	world []byte
	files map[string][]byte
	drop  []string
}

// encode collects what has to be written. The world's lock is held; nothing is written here.
func (st *store) encode(w *world) (snapshot, error) {
	b, err := json.Marshal(w)
	if err != nil {
		return snapshot{}, fmt.Errorf("encode world: %w", err)
	}
	snap := snapshot{world: b, files: map[string][]byte{}}
	present := map[string]bool{}
	for _, list := range w.Messages {
		for _, m := range list {
			for _, f := range m.Files {
				present[f.ID] = true
				if !st.saved[f.ID] {
					snap.files[f.ID] = f.data
				}
			}
		}
	}
	for id := range snap.files {
		st.saved[id] = true
	}
	for id := range st.saved {
		if !present[id] {
			snap.drop = append(snap.drop, id)
			delete(st.saved, id)
		}
	}
	return snap, nil
}

// write puts a snapshot on disk: files first, then the world that names them.
func (st *store) write(snap snapshot) error {
	for id, data := range snap.files {
		if err := os.WriteFile(st.path(id), data, fileMode); err != nil {
			return fmt.Errorf("write file: %w", err)
		}
	}
	tmp := filepath.Join(st.dir, "world.json.new")
	if err := os.WriteFile(tmp, snap.world, fileMode); err != nil {
		return fmt.Errorf("write world: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(st.dir, "world.json")); err != nil {
		return fmt.Errorf("write world: %w", err)
	}
	for _, id := range snap.drop {
		if err := os.Remove(st.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove file: %w", err)
		}
	}
	return nil
}

func (st *store) save(w *world) error {
	snap, err := st.encode(w)
	if err != nil {
		return err
	}
	return st.write(snap)
}
