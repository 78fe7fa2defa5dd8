// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
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
	Models string // folder of model folders, a root for Scan
	Safety string // the safety network's file
}

// Unpack writes the models that come with the program below a cache folder, once for each version of them, and
// returns where they are. ONNX Runtime opens files, not memory. What is there but broken, as a power cut may leave it,
// is written anew. Safe to call from several processes at once.
func Unpack(cache string) (BuiltIn, error) {
	models, err := fs.Sub(builtIn, "models")
	if err != nil {
		return BuiltIn{}, fmt.Errorf("read the built-in models: %w", err)
	}
	return unpack(models, cache)
}

func unpack(models fs.FS, cache string) (BuiltIn, error) {
	version, err := versionOf(models)
	if err != nil {
		return BuiltIn{}, fmt.Errorf("read the built-in models: %w", err)
	}
	dir, err := filepath.Abs(filepath.Join(cache, "models", version))
	if err != nil {
		return BuiltIn{}, fmt.Errorf("unpack the built-in models: %w", err)
	}
	out := BuiltIn{Models: dir, Safety: filepath.Join(dir, "safety-nsfw", "model.onnx")}
	if same(models, dir) {
		return out, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return BuiltIn{}, fmt.Errorf("unpack the built-in models: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "unpacking-")
	if err != nil {
		return BuiltIn{}, fmt.Errorf("unpack the built-in models: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if err := os.CopyFS(temp, models); err != nil {
		return BuiltIn{}, fmt.Errorf("unpack the built-in models: %w", err)
	}
	_ = os.RemoveAll(dir) // broken; when it stays, the next line says why
	if err := os.Rename(temp, dir); err != nil && !same(models, dir) {
		return BuiltIn{}, fmt.Errorf("unpack the built-in models: %w", err) // another process was not faster: it really failed
	}
	return out, nil
}

// versionOf names a set of files by what is in them.
func versionOf(models fs.FS) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(models, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(models, path)
		if err != nil {
			return err
		}
		one := sha256.Sum256(data)
		_, err = fmt.Fprintf(sum, "%s %x\n", path, one)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:8]), err
}

var errDiffers = errors.New("differs")

// same compares a folder with what it should hold.
func same(models fs.FS, dir string) bool {
	return fs.WalkDir(models, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, err := fs.ReadFile(models, path)
		if err != nil {
			return err
		}
		have, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if err == nil && !bytes.Equal(have, want) {
			err = errDiffers
		}
		return err
	}) == nil
}
