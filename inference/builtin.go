// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The models that come with the program: one that draws and the safety check.
//
//go:embed all:models
var builtIn embed.FS

// BuiltIn is where the models that come with the program lie on disk.
type BuiltIn struct {
	Models string // folder of model folders
	Safety string // the safety network's file
}

// Unpack writes the models that come with the program below a cache folder, once for each version of them, and
// returns where they are. ONNX Runtime opens files, not memory. Safe to call from several processes at once.
func Unpack(cache string) (BuiltIn, error) {
	sum := sha256.New()
	err := fs.WalkDir(builtIn, "models", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := builtIn.Open(path)
		if err != nil {
			return err
		}
		_, _ = io.WriteString(sum, path+"\x00")
		_, err = io.Copy(sum, f)
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return BuiltIn{}, fmt.Errorf("read the built-in models: %w", err)
	}
	dir := filepath.Join(cache, "models", hex.EncodeToString(sum.Sum(nil)[:8]))
	out := BuiltIn{Models: filepath.Join(dir, "models"), Safety: filepath.Join(dir, "models", "safety-nsfw", "model.onnx")}
	if _, err := os.Stat(dir); err == nil {
		return out, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return BuiltIn{}, fmt.Errorf("unpack the built-in models: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "unpacking-")
	if err != nil {
		return BuiltIn{}, fmt.Errorf("unpack the built-in models: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if err := os.CopyFS(temp, builtIn); err != nil {
		return BuiltIn{}, fmt.Errorf("unpack the built-in models: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(dir); there != nil { // another process was not faster: it really failed
			return BuiltIn{}, fmt.Errorf("unpack the built-in models: %w", err)
		}
	}
	return out, nil
}
