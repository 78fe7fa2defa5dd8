// SPDX-License-Identifier: AGPL-3.0-or-later

package inference_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/inference"
	"stablemate/inference/inferencetest"
)

// write puts a file into a model folder.
func write(t *testing.T, dir, name, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestScanReadsWhatAModelSaysAboutItself(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	inferencetest.WriteFolder(t, filepath.Join(root, "b-plain"))
	told := filepath.Join(root, "a-told")
	inferencetest.WriteFolder(t, told)
	write(t, told, "stablemate.json", `{"name": "Étoile", "description": "Stars.", "licence": "MIT", "baseline": "stable diffusion 1",
		"fixed_size": 256, "default_steps": 20, "default_cfg": 4.5, "nsfw": true}`)
	if err := os.Mkdir(filepath.Join(root, "something-else"), 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, root, "notes.txt", "not a model")

	models, refused := inference.Scan(root, "")
	if len(refused) > 0 {
		t.Errorf("refused %v", refused)
	}
	var bytes int64
	if err := filepath.Walk(told, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(models) != 2 {
		t.Fatalf("found %d models, want 2", len(models))
	}
	if models[0].Name != "b-plain" { // sorted by name, not by folder
		t.Errorf("the first is %q", models[0].Name)
	}
	want := inference.Folder{
		Name: "Étoile", Dir: told, Description: "Stars.", Licence: "MIT", Baseline: "stable diffusion 1", NSFW: true,
		FixedSize: 256, DefaultSteps: 20, DefaultCFG: 4.5, Bytes: bytes,
	}
	if d := cmp.Diff(want, models[1]); d != "" {
		t.Error(d)
	}
	alone, _ := inference.Scan(told)
	if len(alone) != 1 || alone[0].Name != "Étoile" {
		t.Errorf("a root that is a model itself: %v", alone)
	}
}

func TestScanRefusesBrokenFolders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		reason string
	}{
		"an index that is no JSON": {func(t *testing.T, dir string) { t.Helper(); write(t, dir, "model_index.json", "{") }, "JSON"},
		"an index of a megabyte": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, dir, "model_index.json", strings.Repeat(" ", 1<<20)+"{}")
		}, "bytes"},
		"no U-Net": {func(t *testing.T, dir string) {
			t.Helper()
			if err := os.RemoveAll(filepath.Join(dir, "unet")); err != nil {
				t.Fatal(err)
			}
		}, "missing"},
		"an empty decoder": {func(t *testing.T, dir string) { t.Helper(); write(t, dir, "vae_decoder/model.onnx", "") }, "empty"},
		"a graph left in Git LFS": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, dir, "unet/model.onnx", "version https://git-lfs.github.com/spec/v1\n")
		}, "LFS"},
		"a name that is too short": {func(t *testing.T, dir string) { t.Helper(); write(t, dir, "stablemate.json", `{"name":"ab"}`) }, "name"},
		"a name with a control character": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, dir, "stablemate.json", `{"name":"ab\u0000c"}`)
		}, "name"},
		"an empty name":         {func(t *testing.T, dir string) { t.Helper(); write(t, dir, "stablemate.json", `{"name":""}`) }, "name"},
		"too many steps":        {func(t *testing.T, dir string) { t.Helper(); write(t, dir, "stablemate.json", `{"default_steps":501}`) }, "steps"},
		"a negative size":       {func(t *testing.T, dir string) { t.Helper(); write(t, dir, "stablemate.json", `{"fixed_size":-1}`) }, "fixed_size"},
		"guidance beyond bound": {func(t *testing.T, dir string) { t.Helper(); write(t, dir, "stablemate.json", `{"default_cfg":101}`) }, "cfg"},
		"a text for a number":   {func(t *testing.T, dir string) { t.Helper(); write(t, dir, "stablemate.json", `{"fixed_size":"big"}`) }, "fixed_size"},
		"a link to nowhere": {func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Symlink("nowhere", filepath.Join(dir, "unet", "link")); err != nil {
				t.Fatal(err)
			}
		}, "measure"},
	} {
		root := t.TempDir()
		inferencetest.WriteFolder(t, filepath.Join(root, "good"))
		bad := filepath.Join(root, "the-bad-one")
		inferencetest.WriteFolder(t, bad)
		c.change(t, bad)
		models, refused := inference.Scan(root)
		if len(models) != 1 || models[0].Name != "good" {
			t.Errorf("%s: found %v beside it", name, models)
		}
		if len(refused) != 1 || refused[0].Dir != bad || !strings.Contains(refused[0].Reason.Error(), c.reason) {
			t.Errorf("%s: refused %v, want a reason with %q", name, refused, c.reason)
		}
	}
}

func TestScanTakesTheFirstOfAName(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	inferencetest.WriteFolder(t, filepath.Join(first, "apple"))
	inferencetest.WriteFolder(t, filepath.Join(second, "apple"))
	models, refused := inference.Scan(first, second, filepath.Join(second, "none"))
	if len(models) != 1 || filepath.Dir(models[0].Dir) != first {
		t.Errorf("found %v", models)
	}
	if len(refused) != 2 || !slices.ContainsFunc(refused, func(r inference.Refused) bool { return strings.Contains(r.Reason.Error(), "already") }) {
		t.Errorf("refused %v", refused)
	}
}
