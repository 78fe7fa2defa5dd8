// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

func TestUnpackRepairsAndKeepsVersionsApart(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	first := fstest.MapFS{"safety-nsfw/model.onnx": {Data: []byte("graph")}, "emoji/unet/model.onnx": {Data: []byte("weights")}}
	a, err := unpack(first, cache)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(a.Safety); err != nil || string(data) != "graph" {
		t.Fatalf("the safety network holds %q, %v", data, err)
	}
	info, err := os.Stat(a.Safety)
	if err != nil {
		t.Fatal(err)
	}
	again, err := unpack(first, cache)
	if err != nil || again != a {
		t.Errorf("a second time: %v, %v, want %v", again, err, a)
	}
	if same, err := os.Stat(a.Safety); err != nil || !os.SameFile(info, same) {
		t.Errorf("a second time wrote the files anew (%v)", err)
	}
	for name, damage := range map[string]func(string) error{
		"cut":  func(p string) error { return os.Truncate(p, 2) },
		"gone": os.Remove,
	} {
		path := filepath.Join(a.Models, "emoji", "unet", "model.onnx")
		if err := damage(path); err != nil {
			t.Fatal(err)
		}
		if _, err := unpack(first, cache); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != "weights" {
			t.Errorf("%s: after a repair the file holds %q, %v", name, data, err)
		}
	}
	second := fstest.MapFS{"safety-nsfw/model.onnx": {Data: []byte("another")}}
	b, err := unpack(second, cache)
	if err != nil || b.Models == a.Models {
		t.Errorf("another version went to %s, %v", b.Models, err)
	}
	if left, err := filepath.Glob(filepath.Join(cache, "models", "unpacking-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBuiltInModelsHoldTheSafetyNetwork(t *testing.T) {
	t.Parallel()
	got, err := Unpack(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(got.Safety); err != nil || info.Size() < 1<<20 {
		t.Errorf("the safety network: %v, %v", info, err)
	}
	if _, refused := Scan(got.Models); len(refused) > 0 {
		t.Errorf("Scan refuses a built-in model: %v", refused)
	}
}
