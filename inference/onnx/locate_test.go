package onnx_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"stablemate/inference/onnx"
)

// TestLocate changes the environment, so it runs alone.
func TestLocate(t *testing.T) {
	file := func(path ...string) string {
		name := filepath.Join(path...)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	root := t.TempDir()
	setting := file(root, "setting", "libonnxruntime.so.1.30.0")
	variable := file(root, "variable", "libonnxruntime.so")
	file(root, "variable", "libonnxruntime_providers_shared.so")
	loader := file(root, "loader", "libonnxruntime.so.1")
	dir := filepath.Join(root, "dir")
	t.Setenv("LD_LIBRARY_PATH", filepath.Dir(loader))
	for _, c := range []struct {
		name               string
		explicit, env, dir string
		prepare            func() string
		want               string
	}{
		{name: "a file by setting", explicit: setting, env: variable, dir: dir, want: setting},
		{name: "a folder by setting", explicit: filepath.Dir(setting), env: variable, want: setting},
		{name: "a file by variable", env: variable, dir: dir, want: variable},
		{name: "a folder by variable, without the provider libraries", env: filepath.Dir(variable), want: variable},
		{name: "the loader's path when the folder is empty", dir: dir, want: loader},
	} {
		t.Setenv(onnx.LibraryVariable, c.env)
		if got, err := onnx.Locate(c.explicit, c.dir); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	t.Setenv(onnx.LibraryVariable, "")
	own := file(dir, "libonnxruntime.so.1.29.0")
	if got, err := onnx.Locate("", dir); err != nil || got != own {
		t.Errorf("one put into the folder by hand: %q, %v; want %q", got, err, own)
	}
	if _, err := onnx.Locate(filepath.Join(root, "nowhere"), dir); !errors.Is(err, onnx.ErrNoLibrary) {
		t.Errorf("a setting that leads nowhere: %v, want ErrNoLibrary", err)
	}
	t.Setenv(onnx.LibraryVariable, filepath.Join(root, "nowhere"))
	if _, err := onnx.Locate("", dir); !errors.Is(err, onnx.ErrNoLibrary) {
		t.Errorf("a variable that leads nowhere: %v, want ErrNoLibrary", err)
	}
	t.Setenv(onnx.LibraryVariable, "")
	t.Setenv("LD_LIBRARY_PATH", "")
	if got, err := onnx.Locate("", filepath.Join(root, "empty")); err == nil {
		t.Logf("this machine has one of its own: %s", got)
	} else if !errors.Is(err, onnx.ErrNoLibrary) {
		t.Errorf("nothing anywhere: %v, want ErrNoLibrary", err)
	}
	t.Setenv(onnx.CacheVariable, root)
	if got, err := onnx.DefaultDir(); err != nil || got != filepath.Join(root, "onnxruntime") {
		t.Errorf("default folder %q, %v", got, err)
	}
}
