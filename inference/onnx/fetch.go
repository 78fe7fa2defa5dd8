package onnx

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// Version is the ONNX Runtime release that Fetch gets. The binding needs 1.29 or newer.
const Version = "1.30.0"

const (
	maxArchiveBytes = 512 << 20
	maxLibraryBytes = 256 << 20
	fetchTimeout    = 15 * time.Minute
)

// release says where the library of one platform is and what it must hash to. The two sources are
// different builds: the npm package's can use GPUs through WebGPU, the release archive's cannot.
type release struct {
	file string // the name it gets

	npmMember string // inside the npm package
	npmSHA256 string // of the member

	archive       string // name of the GitHub release archive
	archiveSHA256 string
	archiveMember string // base name inside the archive
	memberSHA256  string
}

func releases(platform string) (release, bool) {
	switch platform {
	case "linux-x64":
		return release{
			file:          "libonnxruntime.so.1",
			npmMember:     "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
			npmSHA256:     "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23",
			archive:       "onnxruntime-linux-x64-1.30.0.tgz",
			archiveSHA256: "a5ed5a3cac51fbb2e90da632ae43d19212faaa20e76484e62bcb7c23ddb3b3fd",
			archiveMember: "libonnxruntime.so.1.30.0",
			memberSHA256:  "245a6f8c38127551057a1cd1ffd59f0a186a227ade4f3492dea2494eb565542e",
		}, true
	case "linux-arm64":
		return release{
			file:          "libonnxruntime.so.1",
			npmMember:     "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
			npmSHA256:     "1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76",
			archive:       "onnxruntime-linux-aarch64-1.30.0.tgz",
			archiveSHA256: "e16a27a8ed330bbc698df7330b0cf56e722f354e3bcc92118682c74ef3c3e3da",
			archiveMember: "libonnxruntime.so.1.30.0",
			memberSHA256:  "64e903a43a041240fd6bcffe0ac6d4fea47ef87bf24b9d097801bd00a9612a4b",
		}, true
	case "darwin-arm64":
		return release{
			file:          "libonnxruntime.1.dylib",
			npmMember:     "package/bin/napi-v6/darwin/arm64/libonnxruntime.1.30.0.dylib",
			npmSHA256:     "685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d",
			archive:       "onnxruntime-osx-arm64-1.30.0.tgz",
			archiveSHA256: "6ebb5062a934537c352937821f9fe9718e7de1a2db1122a93dd363ffd53a7012",
			archiveMember: "libonnxruntime.1.30.0.dylib",
			memberSHA256:  "bcc9110f9d638a119de2db7afb3ba9a1da8085f0cb3401e1c48ae1caf450b6fa",
		}, true
	}
	return release{}, false
}

// platform names the machine as the library's makers do.
func platform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return runtime.GOOS + "-" + arch
}

// Fetch puts the ONNX Runtime library into dir/<version>/<os-arch>/ and returns its path. It comes out
// of the npm package onnxruntime-node where npm is installed, else out of the project's release
// archive on GitHub, and is checked against a pinned hash before it gets its name. A library that is
// already there and sound is returned without touching the network. About 110 MB travel by npm, 11
// from GitHub. log, which may be nil, hears what happens, in sentences for an operator. Several
// processes may fetch into the same dir at a time.
func Fetch(ctx context.Context, dir string, log func(string)) (string, error) {
	if log == nil {
		log = func(string) {}
	}
	r, ok := releases(platform())
	if !ok {
		return "", fmt.Errorf("there is no pinned ONNX Runtime for %s; install one and set %s", platform(), LibraryVariable)
	}
	f := fetcher{npm: "npm", releases: "https://github.com/microsoft/onnxruntime/releases/download/v" + Version + "/"}
	return f.fetch(ctx, r, filepath.Join(dir, Version, platform()), log)
}

// fetcher knows where the two sources are.
type fetcher struct {
	npm      string // the program
	releases string // address before an archive's name
}

func (f fetcher) fetch(ctx context.Context, r release, folder string, log func(string)) (string, error) {
	target := filepath.Join(folder, r.file)
	if sum, err := hashFile(target); err == nil {
		if sum == r.npmSHA256 || sum == r.memberSHA256 {
			return filepath.Abs(target)
		}
		log("the ONNX Runtime library at " + target + " is damaged; fetching it anew")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // a program's library is for everybody to read
		return "", fmt.Errorf("fetch ONNX Runtime: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	scratch, err := os.MkdirTemp(folder, ".fetch-")
	if err != nil {
		return "", fmt.Errorf("fetch ONNX Runtime: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()

	var failures []error
	for _, source := range []struct {
		name string
		get  func(ctx context.Context, r release, scratch string) (string, error)
	}{
		{"npm package onnxruntime-node@" + Version, f.fromNPM},
		{"GitHub release archive " + r.archive, f.fromArchive},
	} {
		log("fetching ONNX Runtime from the " + source.name)
		file, err := source.get(ctx, r, scratch)
		if err == nil {
			if err = os.Rename(file, target); err == nil {
				log("ONNX Runtime " + Version + " is at " + target)
				return filepath.Abs(target)
			}
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("fetch ONNX Runtime: %w", ctx.Err())
		}
		log("that did not work: " + err.Error())
		failures = append(failures, fmt.Errorf("%s: %w", source.name, err))
	}
	return "", fmt.Errorf("fetch ONNX Runtime: %w", errors.Join(failures...))
}

// fromNPM lets npm download the package, so that its settings and mirrors count, and runs nothing of it.
func (f fetcher) fromNPM(ctx context.Context, r release, scratch string) (string, error) {
	npm, err := exec.LookPath(f.npm)
	if err != nil {
		return "", errors.New("npm is not installed")
	}
	//nolint:gosec // the program npm of this machine, with fixed arguments
	cmd := exec.CommandContext(ctx, npm, "pack", "onnxruntime-node@"+Version, "--silent", "--ignore-scripts", "--pack-destination", scratch)
	cmd.Dir = scratch
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack: %w: %.300s", err, out)
	}
	return extract(filepath.Join(scratch, "onnxruntime-node-"+Version+".tgz"), scratch, r.npmSHA256, func(name string) bool {
		return name == r.npmMember
	})
}

// fromArchive downloads the archive, checks it as a whole and takes the library out.
func (f fetcher) fromArchive(ctx context.Context, r release, scratch string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.releases+r.archive, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answers %s", response.Status)
	}
	path := filepath.Join(scratch, r.archive)
	if err := writeChecked(path, response.Body, maxArchiveBytes, r.archiveSHA256); err != nil {
		return "", err
	}
	return extract(path, scratch, r.memberSHA256, func(name string) bool {
		return filepath.Base(name) == r.archiveMember && filepath.Base(filepath.Dir(name)) == "lib"
	})
}

// extract writes the one wanted member of a compressed tar file into folder.
func extract(archive, folder, wantSHA256 string, wanted func(name string) bool) (string, error) {
	f, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(archive), err)
	}
	members := tar.NewReader(unzipped)
	for {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("%s does not hold the library", filepath.Base(archive))
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", filepath.Base(archive), err)
		}
		if header.Typeflag == tar.TypeReg && wanted(header.Name) {
			path := filepath.Join(folder, "library")
			return path, writeChecked(path, members, maxLibraryBytes, wantSHA256)
		}
	}
}

// writeChecked copies to a new file and fails when the bytes are not the expected ones.
func writeChecked(path string, from io.Reader, limit int64, wantSHA256 string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644) //nolint:gosec // as above
	if err != nil {
		return err
	}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, hash), io.LimitReader(from, limit+1))
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	switch sum := hex.EncodeToString(hash.Sum(nil)); {
	case err != nil:
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	case n > limit:
		return fmt.Errorf("%s is larger than %d MB", filepath.Base(path), limit>>20)
	case sum != wantSHA256:
		return fmt.Errorf("%s has the SHA-256 %s, want %s", filepath.Base(path), sum, wantSHA256)
	}
	return nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
