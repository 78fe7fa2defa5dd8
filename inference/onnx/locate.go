package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// LibraryVariable is the environment variable that names the library, a file or its folder.
const LibraryVariable = "STABLEMATE_ONNXRUNTIME"

// ErrNoLibrary is returned by Locate when there is no ONNX Runtime library in any of its places.
var ErrNoLibrary = errors.New("no ONNX Runtime library found")

// Locate finds the ONNX Runtime library: the explicit path first, then the environment variable
// LibraryVariable, then dir as Fetch fills it, then the folder of the executable, then where the
// system's loader looks. A path may be the file or its folder. An explicit path or variable that
// leads nowhere is an error; going on would hide a mistake.
func Locate(explicit, dir string) (string, error) {
	for _, said := range []struct{ by, path string }{{"the setting", explicit}, {LibraryVariable, os.Getenv(LibraryVariable)}} {
		if said.path == "" {
			continue
		}
		if file := libraryAt(said.path); file != "" {
			return filepath.Abs(file)
		}
		return "", fmt.Errorf("%w: %s names %s, which is not a library nor a folder with one", ErrNoLibrary, said.by, said.path)
	}
	var places []string
	if dir != "" {
		places = append(places, filepath.Join(dir, Version, platform()), dir)
	}
	if exe, err := os.Executable(); err == nil {
		places = append(places, filepath.Dir(exe))
	}
	places = append(places, loaderPath()...)
	for _, place := range places {
		if file := libraryAt(place); file != "" {
			return filepath.Abs(file)
		}
	}
	return "", fmt.Errorf("%w: fetch it, or set %s", ErrNoLibrary, LibraryVariable)
}

// libraryAt returns the library in a folder, or path itself when it is a file.
func libraryAt(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	if !info.IsDir() {
		return path
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return ""
	}
	var found []string
	for _, e := range entries {
		if isLibrary(e.Name()) {
			found = append(found, e.Name())
		}
	}
	slices.Sort(found)
	for _, name := range slices.Backward(found) { // the longest name is the most exact version
		file := filepath.Join(path, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// isLibrary recognises libonnxruntime.so, .so.1, .so.1.30.0, .dylib, .1.30.0.dylib and
// onnxruntime.dll, but not the provider libraries beside them.
func isLibrary(name string) bool {
	switch runtime.GOOS {
	case "windows":
		return strings.EqualFold(name, "onnxruntime.dll")
	case "darwin":
		middle, ok := strings.CutPrefix(name, "libonnxruntime.")
		return ok && strings.HasSuffix(middle, "dylib")
	}
	return name == "libonnxruntime.so" || strings.HasPrefix(name, "libonnxruntime.so.")
}

// loaderPath lists where the system's loader looks.
func loaderPath() []string {
	switch runtime.GOOS {
	case "windows":
		return filepath.SplitList(os.Getenv("PATH"))
	case "darwin":
		return append(filepath.SplitList(os.Getenv("DYLD_LIBRARY_PATH")), "/opt/homebrew/lib", "/usr/local/lib")
	}
	triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	places := filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))
	for _, root := range []string{"/usr/local/lib", "/usr/lib", "/lib"} {
		places = append(places, root)
		if triplet != "" {
			places = append(places, filepath.Join(root, triplet))
		}
	}
	return append(places, "/usr/lib64", "/usr/local/lib64")
}
