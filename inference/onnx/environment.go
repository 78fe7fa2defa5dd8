package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// library is the one ONNX Runtime of this process. The native library keeps global state, can be
// loaded only once and is not safe to start twice at a time, so its owner has to be global as well.
//
//nolint:gochecknoglobals // see above
var library struct {
	mu   sync.Mutex // guards path
	path string     // of the loaded library, "" before
}

// start loads the library, once per process. A later call must name the same file.
func start(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	library.mu.Lock()
	defer library.mu.Unlock()
	if library.path != "" {
		if library.path != path {
			return fmt.Errorf("this process already runs the ONNX Runtime at %s and cannot load %s too", library.path, path)
		}
		return nil
	}
	ort.SetSharedLibraryPath(path)
	// The library keeps a telemetry database below the user's cache folder, on Linux too, unless it is told not to before
	// it starts. Nothing about our users leaves the machine.
	if err := os.Setenv("ORT_DISABLE_TELEMETRY", "1"); err != nil {
		return fmt.Errorf("switch telemetry off: %w", err)
	}
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		if strings.Contains(err.Error(), "API base") {
			return fmt.Errorf("the ONNX Runtime at %s is too old; version 1.29 or newer is needed", path)
		}
		return fmt.Errorf("load the ONNX Runtime at %s: %w", path, tidy(err))
	}
	library.path = path
	// And again by its own switch; an error means that it has none here.
	_ = ort.DisableTelemetry()
	return nil
}

// LibraryVersion is the version of the loaded library, or "" before the first Open.
func LibraryVersion() string {
	library.mu.Lock()
	defer library.mu.Unlock()
	if library.path == "" {
		return ""
	}
	return ort.GetVersion()
}

// maxErrorBytes keeps the library's longest messages, which print whole option lists, readable.
const maxErrorBytes = 400

// tidy shortens an error of the library to one line.
func tidy(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, noise := range []string{"Error creating C session from file: ", "Error running network: "} {
		text = strings.TrimPrefix(text, noise)
	}
	if strings.HasPrefix(text, "/onnxruntime_src/") { // where it was thrown, with the whole signature
		for _, end := range []string{" was false. ", " : FAIL : "} {
			if _, rest, ok := strings.Cut(text, end); ok {
				text = rest
			}
		}
	}
	if len(text) > maxErrorBytes {
		text = strings.ToValidUTF8(text[:maxErrorBytes], "") + "…"
	}
	return errors.New(text)
}
