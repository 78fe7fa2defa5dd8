// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"stablemate/horde"
)

// Bounds of a scan.
const (
	maxModelFiles = 10_000  // in one folder
	maxIndexBytes = 1 << 20 // of one JSON file
	minNameRunes  = 3       // shorter names the horde does not take
	maxNameRunes  = 255
)

// Folder is a model on disk in the Optimum layout, as its files describe it. Zero values mean they do not say.
type Folder struct {
	Name         string  // what requests call it
	Dir          string  // absolute
	Description  string  // for people
	Licence      string  // SPDX, or as its makers say
	Baseline     string  // the horde's name of its family, like "stable diffusion 1"
	NSFW         bool    // made for pictures that are not safe for work
	FixedSize    int     // pixels; 0 when it draws in any size
	DefaultSteps int     // 0 when not said
	DefaultCFG   float64 // 0 when not said
	Bytes        int64   // of all its files
}

// Refused is a folder that looks like a model and cannot be one.
type Refused struct {
	Dir    string
	Reason error
}

// Scan finds models: a root that holds model_index.json is one, otherwise each folder directly below it that does. It
// opens no network, so a folder it lists may still fail to load. Models come sorted by name within a root, roots in
// the given order; an empty root is passed over. A second model of a name, and what is broken, is in refused.
func Scan(roots ...string) (models []Folder, refused []Refused) {
	names := make(map[string]bool)
	for _, root := range roots {
		if root == "" {
			continue
		}
		dirs, err := modelDirs(root)
		if err != nil {
			refused = append(refused, Refused{root, err})
			continue
		}
		var found []Folder
		for _, dir := range dirs {
			f, err := readFolder(dir)
			switch {
			case err != nil:
			case names[f.Name]:
				err = fmt.Errorf("there is already a model named %q", f.Name)
			case len(models)+len(found) >= horde.MaxModelsPerWorker:
				err = fmt.Errorf("a worker serves at most %d models", horde.MaxModelsPerWorker)
			}
			if err != nil {
				refused = append(refused, Refused{dir, err})
				continue
			}
			names[f.Name] = true
			found = append(found, f)
		}
		slices.SortFunc(found, func(a, b Folder) int { return strings.Compare(a.Name, b.Name) })
		models = append(models, found...)
	}
	return models, refused
}

const indexFile = "model_index.json"

func modelDirs(root string) ([]string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, indexFile)); err == nil {
		return []string{root}, nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("look for models: %w", err)
	}
	var dirs []string
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		if _, err := os.Stat(filepath.Join(dir, indexFile)); err == nil {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// readFolder reads what a folder says about itself and looks whether the parts are there.
func readFolder(dir string) (Folder, error) {
	f := Folder{Name: filepath.Base(dir), Dir: dir}
	var index struct {
		Class string `json:"_class_name"`
	}
	if err := readJSON(filepath.Join(dir, indexFile), &index); err != nil {
		return f, err
	}
	var own struct {
		Name         *string `json:"name"`
		Description  string  `json:"description"`
		Licence      string  `json:"licence"`
		Baseline     string  `json:"baseline"`
		NSFW         bool    `json:"nsfw"`
		FixedSize    int     `json:"fixed_size"`
		DefaultSteps int     `json:"default_steps"`
		DefaultCFG   float64 `json:"default_cfg"`
	}
	if err := readJSON(filepath.Join(dir, "stablemate.json"), &own); err != nil {
		return f, err
	}
	if own.Name != nil {
		f.Name = *own.Name
	}
	f.Description, f.Licence, f.Baseline, f.NSFW = own.Description, own.Licence, own.Baseline, own.NSFW
	f.FixedSize, f.DefaultSteps, f.DefaultCFG = own.FixedSize, own.DefaultSteps, own.DefaultCFG
	switch n := utf8.RuneCountInString(f.Name); {
	case n < minNameRunes || n > maxNameRunes || strings.TrimSpace(f.Name) != f.Name || strings.ContainsFunc(f.Name, unicode.IsControl) || !utf8.ValidString(f.Name):
		return f, fmt.Errorf("%q cannot be the name of a model: it takes %d to %d characters and no blanks at the ends", f.Name, minNameRunes, maxNameRunes)
	case f.FixedSize < 0 || f.FixedSize > 1<<16:
		return f, fmt.Errorf("fixed_size is %d", f.FixedSize)
	case f.DefaultSteps < 0 || f.DefaultSteps > horde.MaxSteps:
		return f, fmt.Errorf("default_steps is %d, it is at most %d", f.DefaultSteps, horde.MaxSteps)
	case f.DefaultCFG < 0 || f.DefaultCFG > 100 || math.IsNaN(f.DefaultCFG):
		return f, fmt.Errorf("default_cfg is %v, it is between 0 and 100", f.DefaultCFG)
	}
	for _, part := range []string{"text_encoder", "unet", "vae_decoder"} {
		if err := checkGraph(filepath.Join(dir, part, "model.onnx")); err != nil {
			return f, err
		}
	}
	var err error
	f.Bytes, err = folderBytes(dir)
	return f, err
}

// checkGraph looks whether a graph can be one: there, not empty, and not the pointer that Git leaves in place of a
// large file it did not fetch.
func checkGraph(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("a part is missing: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Size() == 0:
		return fmt.Errorf("%s is empty or not a file", path)
	}
	head := make([]byte, 32)
	n, _ := io.ReadFull(file, head) // a short file is judged by what it has
	if strings.HasPrefix(string(head[:n]), "version https://git-lfs") {
		return fmt.Errorf("%s is a Git LFS pointer: fetch it with git lfs pull", path)
	}
	return nil
}

func folderBytes(dir string) (int64, error) {
	var sum int64
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if files++; files > maxModelFiles {
			return fmt.Errorf("more than %d files", maxModelFiles)
		}
		info, err := os.Stat(path) // follows links, which shared caches of models are made of
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", dir, err)
	}
	return sum, nil
}

// readJSON decodes a file of at most maxIndexBytes. Where there is none, into stays as it is.
func readJSON(path string, into any) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxIndexBytes+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) > maxIndexBytes {
		return fmt.Errorf("%s has more than %d bytes", path, maxIndexBytes)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
