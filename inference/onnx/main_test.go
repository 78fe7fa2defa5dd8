package onnx_test

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"stablemate/inference/onnx"
)

// libraryPath is the real ONNX Runtime, fetched once for all tests of the package; errFetch says
// why there is none.
var (
	libraryPath string
	errFetch    error
)

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	libraryPath, errFetch = fetchLibrary(ctx)
	cancel()
	goleak.VerifyTestMain(m)
}

func fetchLibrary(ctx context.Context) (string, error) {
	dir, err := onnx.DefaultDir()
	if err != nil {
		return "", err
	}
	if path, err := onnx.Locate("", ""); err == nil && os.Getenv(onnx.LibraryVariable) != "" {
		return path, nil
	}
	return onnx.Fetch(ctx, dir, func(line string) { fmt.Fprintln(os.Stderr, line) })
}

// library returns the path of the real library. Without one the test is skipped, but never in CI.
func library(tb testing.TB) string {
	tb.Helper()
	if errFetch != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatal(errFetch)
		}
		tb.Skip(errFetch)
	}
	return libraryPath
}

func open(tb testing.TB, dir string) *onnx.Model {
	tb.Helper()
	return openWith(tb, dir, onnx.Options{})
}

func openWith(tb testing.TB, dir string, o onnx.Options) *onnx.Model {
	tb.Helper()
	o.Library, o.Now = library(tb), time.Now
	m, err := onnx.Open(tb.Context(), dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	return m
}

func readPNG(tb testing.TB, path string) *image.RGBA {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	img, err := png.Decode(f)
	if err != nil {
		tb.Fatal(err)
	}
	rgba := image.NewRGBA(img.Bounds())
	draw.Draw(rgba, rgba.Rect, img, image.Point{}, draw.Src)
	return rgba
}

// copyModel copies a model folder, so that a test may break it.
func copyModel(tb testing.TB, name string) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		tb.Fatal(err)
	}
	return dir
}
